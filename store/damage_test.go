package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

const page = 4096

// A mutation damages the image of a file. It returns the image, which it may have changed in place.
type mutation struct {
	name  string
	apply func(random *rand.Rand, image []byte) []byte
}

// forgery is a meta page with a checksum that somebody computed anew.
const forgery = "hostile meta"

// mutations are the nine kinds of damage: what disks, crashes, careless tools and attackers do.
var mutations = []mutation{
	{"bit flip", func(random *rand.Rand, image []byte) []byte {
		for range 1 + random.IntN(3) {
			image[random.IntN(len(image))] ^= 1 << random.IntN(8)
		}
		return image
	}},
	{"bytes", func(random *rand.Rand, image []byte) []byte {
		for range 1 + random.IntN(16) {
			image[random.IntN(len(image))] = byte(random.Uint32())
		}
		return image
	}},
	{"zeroed sector", func(random *rand.Rand, image []byte) []byte {
		at := random.IntN(len(image)/512) * 512
		clear(image[at : at+512])
		return image
	}},
	{"swapped pages", func(random *rand.Rand, image []byte) []byte {
		a, b := pageOf(image, random.IntN(len(image)/page)), pageOf(image, random.IntN(len(image)/page))
		saved := [page]byte(a)
		copy(a, b)
		copy(b, saved[:])
		return image
	}},
	{"truncation", func(random *rand.Rand, image []byte) []byte {
		if random.IntN(2) == 0 {
			return image[:random.IntN(len(image)/page)*page]
		}
		return image[:random.IntN(len(image))]
	}},
	{forgery, func(random *rand.Rand, image []byte) []byte {
		meta := pageOf(image, random.IntN(2))[16:80]
		field := 16 + 8*random.IntN(5) // root, sequence, free list, high-water mark, transaction
		value := random.Uint64()
		if random.IntN(2) == 0 {
			value %= 64
		}
		binary.NativeEndian.PutUint64(meta[field:], value)
		hash := fnv.New64a()
		hash.Write(meta[:56])
		binary.NativeEndian.PutUint64(meta[56:], hash.Sum64())
		return image
	}},
	{"page header", func(random *rand.Rand, image []byte) []byte {
		header := pageOf(image, random.IntN(len(image)/page))[:16]
		switch random.IntN(4) {
		case 0:
			binary.NativeEndian.PutUint64(header, random.Uint64()%64)
		case 1:
			binary.NativeEndian.PutUint16(header[8:], 1<<random.IntN(16))
		case 2:
			binary.NativeEndian.PutUint16(header[10:], uint16(random.Uint32()))
		case 3:
			binary.NativeEndian.PutUint32(header[12:], random.Uint32()%64)
		}
		return image
	}},
	{"garbage page", func(random *rand.Rand, image []byte) []byte {
		target := pageOf(image, random.IntN(len(image)/page))
		for i := range target {
			target[i] = byte(random.Uint32())
		}
		return image
	}},
	{"free list", func(random *rand.Rand, image []byte) []byte {
		// Make a page a free list that lists live pages, and let a meta page lead to it.
		id := random.IntN(len(image) / page)
		list := pageOf(image, id)
		binary.NativeEndian.PutUint64(list, uint64(id))
		binary.NativeEndian.PutUint16(list[8:], 0x10)
		binary.NativeEndian.PutUint16(list[10:], uint16(1+random.IntN(4)))
		for i := range 4 {
			binary.NativeEndian.PutUint64(list[16+8*i:], uint64(2+i+random.IntN(8)))
		}
		meta := pageOf(image, random.IntN(2))[16:80]
		binary.NativeEndian.PutUint64(meta[32:], uint64(id))
		hash := fnv.New64a()
		hash.Write(meta[:56])
		binary.NativeEndian.PutUint64(meta[56:], hash.Sum64())
		return image
	}},
}

func pageOf(image []byte, id int) []byte { return image[id*page : (id+1)*page] }

// A specimen is a sound store, as the bytes of its files and as its content.
type specimen struct {
	files  [2][]byte // the store and its second copy
	lock   []byte
	image  *reservation.Image
	before *reservation.Image // one commit earlier
}

// newSpecimen makes a store in many commits, so that its files have free pages with old records.
func newSpecimen(t testing.TB, records int) specimen {
	t.Helper()
	path := newStore(t)
	s := openStore(t, path, nil)
	revision, err := s.Revision(t.Context())
	require.NoError(t, err)
	var sp specimen
	batch := max(records/10, 1)
	for first := 0; first < records; first += batch {
		var edits []reservation.Edit
		for i := first; i < min(first+batch, records); i++ {
			edits = append(edits, reservation.Edit{Op: reservation.EditPut, Record: storetest.Record(pool.Protocols()[i%2], fmt.Sprintf("%d+20", 1+i*100))})
		}
		edits = append(edits, reservation.Edit{Op: reservation.EditBoot, Boot: reservation.Boot{ID: fmt.Sprintf("boot %d", first)}})
		sp.before, err = s.Load(t.Context())
		require.NoError(t, err)
		revision, err = s.Commit(t.Context(), revision, edits)
		require.NoError(t, err)
	}
	sp.image, err = s.Load(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for i, name := range []string{path, path + ".copy"} {
		sp.files[i], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	sp.lock, err = os.ReadFile(path + ".lock")
	require.NoError(t, err)
	return sp
}

// scratch returns a directory of our own, in memory where the system has one: a flush costs nothing there.
func scratch(t testing.TB) string {
	t.Helper()
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	directory, err := os.MkdirTemp(parent, "berth-damage-")
	if err != nil {
		directory, err = os.MkdirTemp("", "berth-damage-")
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(directory)) })
	return directory
}

// imagesFromEnvironment returns how many damaged images to try.
func imagesFromEnvironment(t testing.TB) int {
	t.Helper()
	text := os.Getenv("BERTH_DAMAGE_IMAGES")
	if text == "" {
		return 2000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "BERTH_DAMAGE_IMAGES")
	return n
}

// A damaged store never ends the process, never hangs, and never gives a wrong answer. With one
// sound file it loses nothing: it opens by itself and can be written to. Each image is damaged once
// to four times.
//
// One answer is not wrong but old: a lone file whose newest meta page was forged, with a checksum
// that fits, to look older than the other shows the commit before. It is byte for byte what a crash
// during the last commit leaves, so only the second copy can tell.
func TestDamage(t *testing.T) {
	images := imagesFromEnvironment(t)
	specimens := []specimen{newSpecimen(t, 4), newSpecimen(t, 60), newSpecimen(t, 411)}
	var next, refused, harmless, repaired, old, slowest atomic.Int64
	const seed = 20261122
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		directory := scratch(t)
		group.Go(func() {
			for !t.Failed() {
				i := next.Add(1)
				if i > int64(images) {
					return
				}
				started := time.Now()
				outcome, err := tryDamaged(t, directory, specimens, rand.New(rand.NewPCG(seed, uint64(i))))
				if err != nil {
					t.Errorf("seed %d, image %d: %v", seed, i, err)
				}
				took := time.Since(started)
				if took > 5*time.Second {
					t.Errorf("seed %d, image %d: %v", seed, i, took)
				}
				slowest.Store(max(slowest.Load(), int64(took)))
				switch outcome {
				case "refused":
					refused.Add(1)
				case "old":
					old.Add(1)
				case "repaired":
					repaired.Add(1)
				default:
					harmless.Add(1)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d damaged images: %d repaired from the second copy, %d refused, %d harmless, %d forged to be a commit older; the slowest took %v",
		images, repaired.Load(), refused.Load(), harmless.Load(), old.Load(), time.Duration(slowest.Load()))
}

// tryDamaged opens one damaged store and judges what comes of it.
func tryDamaged(t testing.TB, directory string, specimens []specimen, random *rand.Rand) (outcome string, err error) {
	sp := specimens[random.IntN(len(specimens))]
	path := filepath.Join(directory, "berth.db")
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if err := os.Remove(filepath.Join(directory, entry.Name())); err != nil {
			return "", err
		}
	}
	// One file is damaged, beside a sound one, alone, or beside another damaged one.
	beside := random.IntN(10)
	damaged := random.IntN(2)
	files := [2][]byte{append([]byte(nil), sp.files[0]...), append([]byte(nil), sp.files[1]...)}
	var done, others []string // what was done to them
	files[damaged], done = damage(random, files[damaged])
	sound := beside < 5
	switch {
	case sound:
	case beside < 8:
		files[1-damaged] = nil
	default:
		files[1-damaged], others = damage(random, files[1-damaged])
	}
	for i, name := range []string{path, path + ".copy"} {
		if files[i] != nil {
			if err := os.WriteFile(name, files[i], 0o600); err != nil {
				return "", err
			}
		}
	}
	if err := os.WriteFile(path+".lock", sp.lock, 0o600); err != nil {
		return "", err
	}
	outcome, got, err := judge(t, path, &store.Options{Exclusive: random.IntN(2) == 0}, sp.image, sound)
	forged := slices.Contains(append(done, others...), forgery)
	if err != nil && got != nil && !sound && forged && sameImage(sp.before, got) == nil {
		return "old", nil
	}
	if err != nil {
		err = fmt.Errorf("file %d: %q, the other: %q, sound: %v: %w", damaged, done, others, sound, err)
	}
	return outcome, err
}

func damage(random *rand.Rand, image []byte) (damaged []byte, done []string) {
	for n := 1 + random.IntN(4)/3*random.IntN(4); n > 0 && len(image) >= 2*page; n-- {
		mutation := mutations[random.IntN(len(mutations))]
		image = mutation.apply(random, image)
		done = append(done, mutation.name)
	}
	return image, done
}

func judge(t testing.TB, path string, options *store.Options, want *reservation.Image, sound bool) (outcome string, got *reservation.Image, err error) {
	ctx := t.Context()
	s, err := store.Open(ctx, path, options)
	if err != nil {
		if sound {
			return "", nil, fmt.Errorf("one file was sound: %w", err)
		}
		if !errors.Is(err, store.ErrDamaged) {
			return "", nil, fmt.Errorf("unexpected error: %w", err)
		}
		return "refused", nil, nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	outcome = "harmless"
	if len(s.Repairs()) > 0 {
		outcome = "repaired"
	}
	got, err = s.Load(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := sameImage(want, got); err != nil {
		return "", got, fmt.Errorf("wrong answer: %w", err)
	}
	// bbolt gets the file only now.
	edit := reservation.Edit{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, "65535")}
	if _, err := s.Commit(ctx, got.Revision, []reservation.Edit{edit}); err != nil {
		return "", got, fmt.Errorf("commit: %w", err)
	}
	return outcome, got, nil
}

func sameImage(want, got *reservation.Image) error {
	switch {
	case want.Revision != got.Revision:
		return fmt.Errorf("revision %v, want %v", got.Revision, want.Revision)
	case want.Boot != got.Boot || len(want.Earlier) != len(got.Earlier):
		return fmt.Errorf("boot %q, want %q", got.Boot.ID, want.Boot.ID)
	case len(want.Records) != len(got.Records):
		return fmt.Errorf("%d records, want %d", len(got.Records), len(want.Records))
	}
	for i := range want.Records {
		if want.Records[i] != got.Records[i] {
			return fmt.Errorf("record %v, want %v", got.Records[i], want.Records[i])
		}
	}
	return nil
}
