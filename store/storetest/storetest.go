// Package storetest is the suite that every reservation.Journal passes, whether it is memory, a
// file, or a service. Each case says which rule it holds.
//
//	func TestJournal(t *testing.T) {
//		storetest.Test(t, func(t testing.TB) storetest.Medium {
//			journal := reservation.NewMemoryJournal()
//			return storetest.Medium{
//				Open:   func(testing.TB) reservation.Journal { return journal.Reopen() },
//				Shared: true,
//			}
//		})
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Medium is what one journal's content lies on: a file, a region of memory, a service. The suite
// gets an empty one for every case and opens handles on it.
type Medium struct {
	// Open opens a handle on the content for reading and writing. It fails the test if it cannot.
	// The suite closes what it opens.
	Open func(t testing.TB) reservation.Journal

	// Shared says that a second handle may be open beside the first. False means that the suite
	// closes one before it opens the next.
	Shared bool

	// Look opens a handle for looking only, beside one that writes; its Commit returns ErrDenied.
	// Nil means that there are none.
	Look func(t testing.TB) reservation.Journal
}

// Test runs the suite. Empty makes an empty medium that lasts as long as the test it is given.
func Test(t *testing.T, empty func(t testing.TB) Medium) {
	cases := []struct {
		name string
		run  func(t *testing.T, m Medium)
	}{
		{"Empty", testEmpty},
		{"RoundTrip", testRoundTrip},
		{"Order", testOrder},
		{"EditsInOrder", testEditsInOrder},
		{"AllOrNothing", testAllOrNothing},
		{"Stale", testStale},
		{"NoEdits", testNoEdits},
		{"RevisionsDiffer", testRevisionsDiffer},
		{"RevisionAllocatesNothing", testRevisionAllocatesNothing},
		{"Boots", testBoots},
		{"Dynamic", testDynamic},
		{"ImageIsTheCallers", testImageIsTheCallers},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
		{"Racing", testRacing},
		{"SecondHandle", testSecondHandle},
		{"RacingHandles", testRacingHandles},
		{"Watch", testWatch},
		{"Looking", testLooking},
		{"Model", testModel},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, empty(t)) })
	}
}

func open(t testing.TB, m Medium) reservation.Journal {
	t.Helper()
	j := m.Open(t)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func load(t testing.TB, j reservation.Journal) *reservation.Image {
	t.Helper()
	image, err := j.Load(t.Context())
	require.NoError(t, err)
	return image
}

func commit(t testing.TB, j reservation.Journal, edits ...reservation.Edit) reservation.Revision {
	t.Helper()
	base, err := j.Revision(t.Context())
	require.NoError(t, err)
	revision, err := j.Commit(t.Context(), base, edits)
	require.NoError(t, err)
	return revision
}

// requireSame compares what matters of two images; an empty list and none are the same.
func requireSame(t testing.TB, want, got *reservation.Image) {
	t.Helper()
	require.Equal(t, want.Revision, got.Revision)
	require.Equal(t, want.Boot, got.Boot)
	require.ElementsMatch(t, want.Earlier, got.Earlier)
	require.Equal(t, len(want.Dynamic), len(got.Dynamic))
	for protocol, r := range want.Dynamic {
		require.Equal(t, r, got.Dynamic[protocol])
	}
	require.Equal(t, len(want.Records), len(got.Records))
	for i := range want.Records {
		require.Equal(t, want.Records[i], got.Records[i])
	}
}

// reopened closes j and requires that another handle shows what j showed.
func reopened(t testing.TB, m Medium, j reservation.Journal) reservation.Journal {
	t.Helper()
	before := load(t, j)
	require.NoError(t, j.Close())
	j = open(t, m)
	requireSame(t, before, load(t, j))
	return j
}

// Record returns a valid persistent record of the ports that text names, such as "50000-50099".
func Record(protocol pool.Protocol, text string) reservation.Record {
	r := pool.MustParseRange(text)
	return reservation.Record{
		Protocol: protocol,
		Range:    r,
		Kind:     reservation.Persistent,
		Serial:   uint64(r.First())<<16 | uint64(r.Last()),
		Label:    "block " + text,
		Created:  time.Date(2026, 11, 22, 9, 30, 0, 123456789, time.UTC),
	}
}

func put(protocol pool.Protocol, text string) reservation.Edit {
	return reservation.Edit{Op: reservation.EditPut, Record: Record(protocol, text)}
}

func remove(protocol pool.Protocol, text string) reservation.Edit {
	return reservation.Edit{Op: reservation.EditDelete, Record: reservation.Record{Protocol: protocol, Range: pool.MustParseRange(text)}}
}

func boot(id string) reservation.Edit {
	return reservation.Edit{Op: reservation.EditBoot, Boot: reservation.Boot{ID: id, Secret: [32]byte{byte(len(id)), 1, 2, 3}}}
}

func dynamic(protocol pool.Protocol, text string) reservation.Edit {
	return reservation.Edit{Op: reservation.EditDynamic, Record: reservation.Record{Protocol: protocol, Range: pool.MustParseRange(text)}}
}

// A new journal has a revision, so that the first commit has a base, and nothing else.
func testEmpty(t *testing.T, m Medium) {
	j := open(t, m)
	image := load(t, j)
	require.NotZero(t, image.Revision)
	require.Empty(t, image.Records)
	require.Empty(t, image.Earlier)
	require.Empty(t, image.Dynamic)
	require.Zero(t, image.Boot)
	revision, err := j.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, image.Revision, revision)
	reopened(t, m, j)
}

// Every field comes back as it went in, at the ends of its range as well, and survives reopening.
func testRoundTrip(t *testing.T, m Medium) {
	j := open(t, m)
	whole := Record(pool.UDP, "1-65535")
	whole.Label, whole.Serial = strings.Repeat("x", reservation.MaxLabel), 1<<64-1
	first, last, middle := Record(pool.TCP, "1"), Record(pool.TCP, "65535"), Record(pool.TCP, "1024-49151")
	first.Created, first.Label = time.Date(1901, 2, 3, 4, 5, 6, 999999999, time.UTC), ""
	last.Created, last.Label = time.Date(2999, 12, 31, 23, 59, 59, 1, time.UTC), "Häfen: 港"
	middle.Kind, middle.Store, middle.Serial = reservation.Exclusion, reservation.ActiveStore, 0
	want := []reservation.Record{first, middle, last, whole}
	for _, record := range want {
		commit(t, j, reservation.Edit{Op: reservation.EditPut, Record: record})
	}
	require.Equal(t, want, load(t, j).Records)
	j = reopened(t, m, j)

	// A time is kept to the nanosecond.
	now := time.Now()
	commit(t, j, remove(pool.TCP, "1"))
	first.Created = now
	commit(t, j, reservation.Edit{Op: reservation.EditPut, Record: first})
	require.True(t, now.Equal(load(t, j).Records[0].Created))
	require.NoError(t, j.Close())
	require.True(t, now.Equal(load(t, open(t, m)).Records[0].Created))
}

// Records are by protocol, then by first port, whatever the order they came in.
func testOrder(t *testing.T, m Medium) {
	j := open(t, m)
	random := rand.New(rand.NewPCG(1, 2))
	var edits []reservation.Edit
	for _, i := range random.Perm(400) {
		edits = append(edits, put(pool.Protocols()[i%2], fmt.Sprintf("%d+100", 1+i/2*250)))
	}
	commit(t, j, edits...)
	j = reopened(t, m, j)
	records := load(t, j).Records
	require.Len(t, records, len(edits))
	require.True(t, slices.IsSortedFunc(records, func(a, b reservation.Record) int {
		if a.Protocol != b.Protocol {
			return int(a.Protocol) - int(b.Protocol)
		}
		return a.Range.Compare(b.Range)
	}))
}

// The edits of a commit are applied one after the other: a place that one frees the next may take.
func testEditsInOrder(t *testing.T, m Medium) {
	j := open(t, m)
	commit(t, j, put(pool.UDP, "100-199"), put(pool.TCP, "100-199"))
	commit(t, j, remove(pool.UDP, "100-199"), put(pool.UDP, "50-149"), remove(pool.UDP, "50-149"), put(pool.UDP, "150-249"))
	j = reopened(t, m, j)
	require.Equal(t, []reservation.Record{Record(pool.TCP, "100-199"), Record(pool.UDP, "150-249")}, load(t, j).Records)
}

// A commit of which one edit could not be loaded is refused with ErrInvalid and changes nothing.
func testAllOrNothing(t *testing.T, m Medium) {
	j := open(t, m)
	commit(t, j, put(pool.UDP, "1000-1999"), put(pool.TCP, "65535"), boot("first"))
	before := load(t, j)
	changed := func(change func(*reservation.Record)) reservation.Edit {
		record := Record(pool.UDP, "5000-5099")
		change(&record)
		return reservation.Edit{Op: reservation.EditPut, Record: record}
	}
	for name, bad := range map[string]reservation.Edit{
		"same range":            put(pool.UDP, "1000-1999"),
		"overlaps the start":    put(pool.UDP, "900-1000"),
		"overlaps the end":      put(pool.UDP, "1999-2100"),
		"inside":                put(pool.UDP, "1500"),
		"around":                put(pool.UDP, "1-65535"),
		"last port":             put(pool.TCP, "60000-65535"),
		"delete, not there":     remove(pool.UDP, "3000-3099"),
		"delete, a part":        remove(pool.UDP, "1000-1998"),
		"delete, other family":  remove(pool.TCP, "1000-1999"),
		"delete, no range":      {Op: reservation.EditDelete, Record: reservation.Record{Protocol: pool.UDP}},
		"delete, no protocol":   {Op: reservation.EditDelete, Record: reservation.Record{Range: pool.RangeOf(1)}},
		"no operation":          {},
		"unknown operation":     {Op: 99},
		"no protocol":           changed(func(r *reservation.Record) { r.Protocol = 0 }),
		"unknown protocol":      changed(func(r *reservation.Record) { r.Protocol = 132 }),
		"no range":              changed(func(r *reservation.Record) { r.Range = pool.Range{} }),
		"no kind":               changed(func(r *reservation.Record) { r.Kind = 0 }),
		"runtime":               changed(func(r *reservation.Record) { r.Kind = reservation.Runtime }),
		"active persistent":     changed(func(r *reservation.Record) { r.Store = reservation.ActiveStore }),
		"unknown store":         changed(func(r *reservation.Record) { r.Kind, r.Store = reservation.Exclusion, 7 }),
		"long label":            changed(func(r *reservation.Record) { r.Label = strings.Repeat("x", reservation.MaxLabel+1) }),
		"control characters":    changed(func(r *reservation.Record) { r.Label = "a\nb" }),
		"not UTF-8":             changed(func(r *reservation.Record) { r.Label = "\xff" }),
		"boot without identity": boot(""),
		"long boot identity":    boot(strings.Repeat("x", reservation.MaxBootID+1)),
		"dynamic, no protocol":  {Op: reservation.EditDynamic, Record: reservation.Record{Range: pool.MustParseRange("20000-29999")}},
		"dynamic, no range":     {Op: reservation.EditDynamic, Record: reservation.Record{Protocol: pool.UDP}},
	} {
		edits := []reservation.Edit{put(pool.TCP, "7000-7099"), remove(pool.UDP, "1000-1999"), put(pool.UDP, "1000-1999"), boot("second"), bad, put(pool.TCP, "8000")}
		_, err := j.Commit(t.Context(), before.Revision, edits)
		require.ErrorIs(t, err, reservation.ErrInvalid, name)
		requireSame(t, before, load(t, j))
	}
	j = reopened(t, m, j)
	requireSame(t, before, load(t, j))
}

// A commit that was made for another revision is refused with ErrStale and changes nothing.
func testStale(t *testing.T, m Medium) {
	j := open(t, m)
	old := load(t, j).Revision
	now := commit(t, j, put(pool.UDP, "100-199"))
	before := load(t, j)
	elsewhere := now
	elsewhere.Lineage++
	ahead := now
	ahead.Number++
	for _, base := range []reservation.Revision{old, elsewhere, ahead, {}} {
		_, err := j.Commit(t.Context(), base, []reservation.Edit{put(pool.UDP, "200-299")})
		require.ErrorIs(t, err, reservation.ErrStale)
		_, err = j.Commit(t.Context(), base, []reservation.Edit{put(pool.UDP, "100-199")})
		require.ErrorIs(t, err, reservation.ErrStale, "staleness comes before validity: the caller may not know better")
	}
	requireSame(t, before, load(t, j))
	reopened(t, m, j)
}

// Every commit has a revision of its own, also when the content is one that was there before; Load
// and Revision agree on it.
func testRevisionsDiffer(t *testing.T, m Medium) {
	j := open(t, m)
	seen := map[reservation.Revision]bool{load(t, j).Revision: true}
	for i := range 20 {
		edit := put(pool.UDP, "100-199")
		if i%2 == 1 {
			edit = remove(pool.UDP, "100-199")
		}
		revision := commit(t, j, edit)
		require.False(t, seen[revision])
		seen[revision] = true
		require.Equal(t, revision, load(t, j).Revision)
		if i%5 == 0 {
			j = reopened(t, m, j)
		}
	}
}

// The engine asks for the revision before it answers a reader.
func testRevisionAllocatesNothing(t *testing.T, m Medium) {
	j := open(t, m)
	commit(t, j, put(pool.UDP, "100-199"))
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = j.Revision(ctx) }))
}

// A boot pushes the present one back; the latest MaxEarlierBoots before it are remembered.
func testBoots(t *testing.T, m Medium) {
	j := open(t, m)
	for i := range 6 {
		commit(t, j, boot(strings.Repeat("b", i+1)))
		image := load(t, j)
		require.Equal(t, boot(strings.Repeat("b", i+1)).Boot, image.Boot)
		require.Len(t, image.Earlier, min(i, reservation.MaxEarlierBoots))
		for age, earlier := range image.Earlier {
			require.Equal(t, boot(strings.Repeat("b", i-age)).Boot, earlier, "latest first")
		}
		j = reopened(t, m, j)
	}
	longest := strings.Repeat("z", reservation.MaxBootID)
	for range 1 + reservation.MaxEarlierBoots {
		commit(t, j, boot(longest))
	}
	require.Equal(t, boot(longest).Boot, load(t, j).Boot, "the same identity twice is two boots: telling them apart is for the engine")
	reopened(t, m, j)
}

// Each protocol has its own dynamic range; setting it again replaces it.
func testDynamic(t *testing.T, m Medium) {
	j := open(t, m)
	commit(t, j, dynamic(pool.UDP, "20000-29999"))
	require.Equal(t, map[pool.Protocol]pool.Range{pool.UDP: pool.MustParseRange("20000-29999")}, load(t, j).Dynamic)
	commit(t, j, dynamic(pool.TCP, "30000-39999"), dynamic(pool.UDP, "1025-65535"))
	want := map[pool.Protocol]pool.Range{pool.UDP: pool.MustParseRange("1025-65535"), pool.TCP: pool.MustParseRange("30000-39999")}
	require.Equal(t, want, load(t, j).Dynamic)
	reopened(t, m, j)
}

// What Load returned may be changed without changing the journal, and a commit does not change it.
func testImageIsTheCallers(t *testing.T, m Medium) {
	j := open(t, m)
	commit(t, j, put(pool.UDP, "100-199"), put(pool.UDP, "200-299"), boot("a"), dynamic(pool.UDP, "20000-29999"))
	commit(t, j, boot("bb"))
	before, spoiled := load(t, j), load(t, j)
	spoiled.Records[0] = Record(pool.TCP, "9")
	spoiled.Earlier[0].ID = "spoiled"
	spoiled.Dynamic[pool.TCP] = pool.RangeOf(9)
	requireSame(t, before, load(t, j))
	commit(t, j, remove(pool.UDP, "100-199"), boot("ccc"))
	require.Equal(t, Record(pool.UDP, "100-199"), before.Records[0])
	require.Equal(t, "a", before.Earlier[0].ID)
}

// A call whose context is done returns its error and does nothing.
func testCancelled(t *testing.T, m Medium) {
	j := open(t, m)
	before := load(t, j)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := j.Load(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = j.Revision(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = j.Commit(ctx, before.Revision, []reservation.Edit{put(pool.UDP, "100-199")})
	require.ErrorIs(t, err, context.Canceled)
	requireSame(t, before, load(t, j))
}

// After Close every call returns ErrClosed, except Close.
func testClosed(t *testing.T, m Medium) {
	j := open(t, m)
	revision := commit(t, j, put(pool.UDP, "100-199"))
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	_, err := j.Load(t.Context())
	require.ErrorIs(t, err, reservation.ErrClosed)
	_, err = j.Revision(t.Context())
	require.ErrorIs(t, err, reservation.ErrClosed)
	_, err = j.Commit(t.Context(), revision, []reservation.Edit{remove(pool.UDP, "100-199")})
	require.ErrorIs(t, err, reservation.ErrClosed)
	require.Len(t, load(t, open(t, m)).Records, 1)
}

// Of commits that race for one base exactly one succeeds; who retries on ErrStale loses nothing.
func testRacing(t *testing.T, m Medium) {
	j := open(t, m)
	const writers, each = 8, 10
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				edit := put(pool.UDP, fmt.Sprint(1+w*each+i))
				for {
					base, err := j.Revision(t.Context())
					if err == nil {
						_, err = j.Commit(t.Context(), base, []reservation.Edit{edit})
					}
					if err == nil {
						break
					}
					if !errors.Is(err, reservation.ErrStale) {
						t.Error(err)
						return
					}
				}
				if _, err := j.Load(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.Len(t, load(t, reopened(t, m, j)).Records, writers*each)
}

// A handle that only looks sees every commit once it is made, and changes nothing.
func testLooking(t *testing.T, m Medium) {
	if m.Look == nil {
		t.Skip("this journal has no handles that only look")
	}
	j := open(t, m)
	looker := m.Look(t)
	defer func() { require.NoError(t, looker.Close()) }()
	for i := range 20 {
		commit(t, j, put(pool.UDP, fmt.Sprintf("%d+10", 1+i*10)))
		revision, err := looker.Revision(t.Context())
		require.NoError(t, err)
		require.Equal(t, load(t, j).Revision, revision)
		requireSame(t, load(t, j), load(t, looker))
	}
	_, err := looker.Commit(t.Context(), load(t, j).Revision, []reservation.Edit{put(pool.TCP, "1")})
	require.ErrorIs(t, err, reservation.ErrDenied)
	require.NoError(t, j.Close())
	require.Len(t, load(t, looker).Records, 20)
}
