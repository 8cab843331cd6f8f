package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

const sector = 512

// A moment is what a store's files are between two commits.
type moment struct {
	files [2][]byte // the store and its second copy
	lock  []byte
	image *reservation.Image
}

func momentOf(t testing.TB, path string, s *store.Store) moment {
	t.Helper()
	var m moment
	var err error
	for i, name := range []string{path, path + ".copy"} {
		m.files[i], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	m.lock, err = os.ReadFile(path + ".lock")
	require.NoError(t, err)
	m.image, err = s.Load(t.Context())
	require.NoError(t, err)
	return m
}

func (m moment) restore(t testing.TB, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.Remove(filepath.Join(filepath.Dir(path), entry.Name())))
	}
	for name, data := range map[string][]byte{path: m.files[0], path + ".copy": m.files[1], path + ".lock": m.lock} {
		if data != nil {
			require.NoError(t, os.WriteFile(name, data, 0o600))
		}
	}
}

// writtenPages lists the pages that a commit changed. A file that it made larger was so on disk before.
func writtenPages(before, after []byte) (pages []int) {
	for id := range len(after) / page {
		if !bytes.Equal(pageOf(grown(before, len(after)), id), pageOf(after, id)) {
			pages = append(pages, id)
		}
	}
	return pages
}

func grown(file []byte, size int) []byte {
	return append(bytes.Clone(file), make([]byte, max(size-len(file), 0))...)
}

// arrive returns the file before a commit with those sectors of it, of all that changed, that mask tells.
func arrive(before, after []byte, pages []int, mask func(i int) byte) []byte {
	image := grown(before, len(after))
	for i, id := range pages {
		sectors := mask(i)
		for j := range page / sector {
			if sectors>>j&1 == 1 {
				copy(pageOf(image, id)[j*sector:(j+1)*sector], pageOf(after, id)[j*sector:])
			}
		}
	}
	return image
}

// requirePowerCut opens what a power cut in the middle of the commit between two moments left. It is the one
// or the other, and never goes back from what somebody saw; both files are whole afterwards, nothing was put
// aside, and the store goes on.
func requirePowerCut(t testing.TB, path string, before, after, cut moment, options *store.Options) (committed bool) {
	t.Helper()
	cut.restore(t, path)
	looker, err := store.Open(t.Context(), path, &store.Options{ReadOnly: true})
	require.NoError(t, err)
	seen, err := looker.Load(t.Context())
	require.NoError(t, err)
	require.NoError(t, looker.Close())

	s, err := store.Open(t.Context(), path, options)
	require.NoError(t, err)
	got, err := s.Load(t.Context())
	require.NoError(t, err)
	committed = sameImage(after.image, got) == nil
	if !committed {
		require.NoError(t, sameImage(before.image, got))
	}
	// Who only looks is content with a first file that is whole, though the second may be a commit ahead.
	if !committed || sameImage(before.image, seen) != nil {
		require.NoError(t, sameImage(got, seen))
	}
	for _, repair := range s.Repairs() {
		require.Empty(t, repair.Quarantine, "%v", repair)
	}
	report, err := store.Check(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	lock, err := os.ReadFile(path + ".lock")
	require.NoError(t, err)
	require.Contains(t, string(lock), fmt.Sprintf("durable %d ", got.Revision.Number), "what is there was flushed")
	_, err = s.Commit(t.Context(), got.Revision, []reservation.Edit{{Op: reservation.EditBoot, Boot: reservation.Boot{ID: "after the power cut"}}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	report, err = store.Check(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	return committed
}

// cuts tries power cuts in the middle of one commit: whether each page arrived, exhaustively if there are few, and
// sectors at random.
func cuts(t *testing.T, random *rand.Rand, path string, before, after moment, most int) (tried, committed int) {
	t.Helper()
	var pages [2][]int
	for i := range pages {
		pages[i] = writtenPages(before.files[i], after.files[i])
		require.NotEmpty(t, pages[i])
	}
	try := func(mask func(file, i int) byte) {
		cut := moment{lock: before.lock}
		all := true
		for i := range cut.files {
			cut.files[i] = arrive(before.files[i], after.files[i], pages[i], func(j int) byte { return mask(i, j) })
			all = all && bytes.Equal(cut.files[i], after.files[i])
		}
		if all && random.IntN(2) == 0 {
			cut.lock = after.lock
		}
		done := requirePowerCut(t, path, before, after, cut, &store.Options{Exclusive: random.IntN(2) == 0})
		require.True(t, done || !all, "it was acknowledged")
		if tried++; done {
			committed++
		}
	}
	units := len(pages[0]) + len(pages[1])
	if units < 20 && 1<<units <= most {
		for subset := range 1 << units {
			try(func(file, i int) byte { return -byte(subset >> (file*len(pages[0]) + i) & 1) })
		}
	}
	for tried < most {
		// Mostly whole pages, and mostly of one mind: else with many pages no file would ever be whole.
		mind := [2]int{random.IntN(3), random.IntN(3)}
		try(func(file, _ int) byte {
			switch n := random.IntN(2 + 8*mind[file]); {
			case n == 0:
				return byte(random.Uint32())
			case n == 1:
				return 0
			}
			return 0xff
		})
	}
	return tried, committed
}

// Whatever of a commit's pages a power cut lets arrive in either file, the store opens by itself, at that commit or
// at the one before, and at that commit if it was acknowledged. One flush a commit rests on this
// (docs/decisions/0056-one-flush-a-file.md).
func TestPowerCut(t *testing.T) {
	cutsWanted := 15 // of each commit; more of those that write few pages
	if text := os.Getenv("BERTH_POWER_CUTS"); text != "" {
		var err error
		cutsWanted, err = strconv.Atoi(text)
		require.NoError(t, err, "BERTH_POWER_CUTS")
	}
	const seed = 20261122
	random := rand.New(rand.NewPCG(seed, 0))
	cutPath := filepath.Join(scratch(t), "berth.db")
	total, totalCommitted, grew, largest := 0, 0, 0, 0
	for _, records := range []int{0, 3, 60, 2500} {
		path := newFilledStore(t, records)
		s := openStore(t, path, nil)
		present := map[int]bool{}
		for i := range records {
			present[i] = true
		}
		for i, edits := range []int{1, 1, 1, 20, 1, 3, 400, 1, 5} { // pages are used again
			before := momentOf(t, path, s)
			_, err := s.Commit(t.Context(), before.image.Revision, randomEdits(random, present, edits))
			require.NoError(t, err)
			after := momentOf(t, path, s)
			if len(after.files[0]) > len(before.files[0]) {
				grew++
			}
			largest = max(largest, len(writtenPages(before.files[0], after.files[0])))
			most := cutsWanted
			if records == 3 && i < 3 {
				most = max(most, 64)
			}
			tried, committed := cuts(t, random, cutPath, before, after, most)
			total, totalCommitted = total+tried, totalCommitted+committed
		}
	}
	t.Logf("%d power cuts, after %d of them the commit was there; %d commits made a file larger, the largest wrote %d pages of it", total, totalCommitted, grew, largest)
	require.NotZero(t, grew)
}

// randomEdits puts blocks that are not present and deletes some that are.
func randomEdits(random *rand.Rand, present map[int]bool, n int) (edits []reservation.Edit) {
	for range n {
		block := random.IntN(3000)
		op := reservation.EditPut
		if present[block] {
			op = reservation.EditDelete
		}
		present[block] = !present[block]
		edits = append(edits, reservation.Edit{Op: op, Record: storetest.Record(pool.UDP, fmt.Sprintf("%d+2", 1+2*block))})
	}
	return edits
}

// tear takes a page of the last commit from a file, as if it had not arrived.
func tear(t testing.TB, before, after []byte) []byte {
	t.Helper()
	for _, id := range writtenPages(before, after) {
		if id > 1 {
			torn := bytes.Clone(after)
			copy(pageOf(torn, id), pageOf(grown(before, len(after)), id))
			return torn
		}
	}
	t.Fatal("the commit wrote no page")
	return nil
}

// A file whose last commit is not whole counts for the commit before only beside another file that says the same, and
// only if nothing says that the commit was on disk. Otherwise it is damage: nothing becomes older without a word.
func TestTorn(t *testing.T) {
	path := newStoreOf(t, "100-199")
	s := openStore(t, path, nil)
	older := momentOf(t, path, s)
	require.NoError(t, putBlock(t, s, "200-299"))
	before := momentOf(t, path, s)
	require.NoError(t, putBlock(t, s, "300-399"))
	after := momentOf(t, path, s)
	torn := [2][]byte{tear(t, before.files[0], after.files[0]), tear(t, before.files[1], after.files[1])}
	whole, interrupted, behind, damaged, missing := store.StateWhole, store.StateInterrupted, store.StateBehind, store.StateDamaged, store.StateMissing
	for name, test := range map[string]struct {
		files       [2][]byte
		lock        []byte
		states      [2]store.State
		want        int // blocks; 0 if the store is damaged
		quarantines int
	}{
		"both":                             {torn, before.lock, [2]store.State{interrupted, interrupted}, 2, 0},
		"both, without a mark":             {torn, nil, [2]store.State{interrupted, interrupted}, 2, 0},
		"both, the commit was on disk":     {torn, after.lock, [2]store.State{interrupted, interrupted}, 0, 0},
		"one, the other before":            {[2][]byte{torn[0], before.files[1]}, before.lock, [2]store.State{interrupted, whole}, 2, 0},
		"one, the other has it":            {[2][]byte{after.files[0], torn[1]}, before.lock, [2]store.State{whole, interrupted}, 3, 0},
		"one, the other has it, on disk":   {[2][]byte{after.files[0], torn[1]}, after.lock, [2]store.State{whole, interrupted}, 3, 1},
		"one, the other has it, the first": {[2][]byte{torn[0], after.files[1]}, before.lock, [2]store.State{interrupted, whole}, 3, 0},
		"one, the other is older":          {[2][]byte{torn[0], older.files[1]}, before.lock, [2]store.State{interrupted, whole}, 0, 0},
		"one, alone":                       {[2][]byte{torn[0], nil}, before.lock, [2]store.State{interrupted, missing}, 0, 0},
		"the second, alone":                {[2][]byte{nil, torn[1]}, before.lock, [2]store.State{missing, interrupted}, 0, 0},
		"one, the other is damaged":        {[2][]byte{torn[0], make([]byte, 10*page)}, before.lock, [2]store.State{interrupted, damaged}, 0, 0},
		"one did not begin, the other did": {[2][]byte{before.files[0], after.files[1]}, before.lock, [2]store.State{behind, whole}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(scratch(t), "berth.db")
			moment{files: test.files, lock: test.lock}.restore(t, path)
			report, err := store.Check(t.Context(), path)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), store.ErrDamaged)
			require.Equal(t, test.states, [2]store.State{report.Files[0].State, report.Files[1].State})
			s, err := store.Open(t.Context(), path, nil)
			if test.want == 0 {
				require.ErrorIs(t, err, store.ErrDamaged)
				return
			}
			require.NoError(t, err)
			require.Len(t, ports(t, s), test.want)
			require.NotEmpty(t, s.Repairs())
			require.NoError(t, s.Close())
			require.Len(t, quarantined(t, path), test.quarantines)
			report, err = store.Check(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, report.Err())
		})
	}
}

// A power cut may also take back that the commit made its file larger.
func TestTornAndShort(t *testing.T) {
	path := newStore(t)
	s := openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "65000-65099"))
	before := momentOf(t, path, s)
	_, err := s.Commit(t.Context(), before.image.Revision, puts(manyPorts(300)))
	require.NoError(t, err)
	after := momentOf(t, path, s)
	cut := moment{lock: before.lock}
	for i := range cut.files {
		cut.files[i] = after.files[i][:len(before.files[i])]
	}
	cutPath := filepath.Join(scratch(t), "berth.db")
	cut.restore(t, cutPath)
	s = openStore(t, cutPath, nil)
	require.Equal(t, []string{"65000-65099"}, ports(t, s))
	require.Empty(t, quarantined(t, cutPath))
}
