package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// gate is a memory journal whose commits wait for permission and can be made to fail.
type gate struct {
	*reservation.MemoryJournal
	mu      sync.Mutex
	commits int   // that were begun
	edits   []int // of each commit
	fail    error // what commits return instead of committing
	hold    chan struct{}
}

func newGate() *gate { return &gate{MemoryJournal: reservation.NewMemoryJournal()} }

func (g *gate) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	g.mu.Lock()
	g.commits++
	g.edits = append(g.edits, len(edits))
	fail, hold := g.fail, g.hold
	g.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if fail != nil {
		return reservation.Revision{}, fail
	}
	return g.MemoryJournal.Commit(ctx, base, edits)
}

func (g *gate) set(fail error, hold chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail, g.hold, g.commits, g.edits = fail, hold, 0, nil
}

func newHost(t *testing.T, journal reservation.Journal) (*reservation.Host, *reservation.Process) {
	t.Helper()
	h, err := reservation.New(t.Context(), reservation.Config{Journal: journal, BootID: "boot-1"})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.CheckInvariants())
		require.NoError(t, h.Close())
	})
	return h, h.Process(reservation.Caller{PID: 7, Elevated: true})
}

func block(i int) reservation.Range {
	r, err := pool.RangeFrom(uint16(10000+10*i), 10)
	if err != nil {
		panic(err)
	}
	return r
}

func TestWritersShareCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newGate()
		_, p := newHost(t, journal)
		hold := make(chan struct{})
		journal.set(nil, hold)
		var group sync.WaitGroup
		for i := range 65 {
			group.Go(func() {
				_, err := p.CreatePersistent(context.Background(), reservation.UDP, block(i), "")
				require.NoError(t, err)
			})
		}
		synctest.Wait() // one leads, the others wait for the next commit
		close(hold)
		group.Wait()
		require.LessOrEqual(t, journal.commits, 3)
		blocks, err := p.List(t.Context(), reservation.UDP)
		require.NoError(t, err)
		require.Len(t, blocks, 65)
	})
}

func TestNothingIsVisibleBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newGate()
		_, p := newHost(t, journal)
		hold := make(chan struct{})
		journal.set(nil, hold)
		done := make(chan error)
		go func() {
			_, err := p.CreatePersistent(context.Background(), reservation.UDP, block(0), "")
			done <- err
		}()
		synctest.Wait()
		ctx := t.Context()
		_, err := p.LookupPersistent(ctx, reservation.UDP, block(0))
		require.ErrorIs(t, err, reservation.ErrNotFound)
		blocks, err := p.List(ctx, 0)
		require.NoError(t, err)
		require.Empty(t, blocks)
		e, err := p.Open(ctx, reservation.UDP)
		require.NoError(t, err)
		_, err = e.Acquire(ctx, reservation.Request{First: block(0).First(), Count: 1})
		require.ErrorIs(t, err, reservation.ErrInUse, "the claim keeps others away")
		require.NoError(t, e.Close())

		close(hold)
		require.NoError(t, <-done)
		_, err = p.LookupPersistent(ctx, reservation.UDP, block(0))
		require.NoError(t, err)
	})
}

func TestFailedCommitChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newGate()
		h, p := newHost(t, journal)
		ctx := t.Context()
		_, err := p.CreatePersistent(ctx, reservation.UDP, block(0), "")
		require.NoError(t, err)

		broken, hold := errors.New("the disk is broken"), make(chan struct{})
		journal.set(broken, hold)
		results := make(chan error, 3)
		create := func() {
			_, err := p.CreatePersistent(context.Background(), reservation.UDP, block(1), "")
			results <- err
		}
		go create()
		synctest.Wait()
		go create() // meets the claim of the first and is refused by its look ahead
		synctest.Wait()
		go func() { results <- p.DeletePersistent(context.Background(), reservation.UDP, block(0)) }()
		synctest.Wait()
		close(hold)
		var broke, refused int
		for range 3 {
			switch err := <-results; {
			case errors.Is(err, broken):
				broke++
			case errors.Is(err, reservation.ErrInUse):
				refused++
			}
		}
		require.Equal(t, 2, broke)
		require.Equal(t, 1, refused)
		require.NoError(t, h.CheckInvariants())

		journal.set(nil, nil)
		blocks, err := p.List(ctx, 0)
		require.NoError(t, err)
		require.Len(t, blocks, 1)
		_, err = p.CreatePersistent(ctx, reservation.UDP, block(1), "")
		require.NoError(t, err)
		require.NoError(t, p.DeletePersistent(ctx, reservation.UDP, block(0)))
	})
}

func TestCancelWithdrawsWhatStillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newGate()
		_, p := newHost(t, journal)
		hold := make(chan struct{})
		journal.set(nil, hold)
		create := func(ctx context.Context, i int) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := p.CreatePersistent(ctx, reservation.UDP, block(i), "")
				done <- err
			}()
			synctest.Wait()
			return done
		}
		committing, cancelCommitting := context.WithCancel(context.Background())
		first := create(committing, 0)
		waiting, cancelWaiting := context.WithCancel(context.Background())
		second := create(waiting, 1)
		cancelWaiting()
		require.ErrorIs(t, <-second, context.Canceled)
		cancelCommitting()
		close(hold)
		require.NoError(t, <-first, "a commit that has begun is not undone")
		blocks, err := p.List(t.Context(), 0)
		require.NoError(t, err)
		require.Len(t, blocks, 1)
	})
}

func TestCloseWaitsForTheCommitAndRefusesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newGate()
		h, p := newHost(t, journal)
		hold := make(chan struct{})
		journal.set(nil, hold)
		results := make(chan error, 2)
		for i := range 2 {
			go func() {
				_, err := p.CreatePersistent(context.Background(), reservation.UDP, block(i), "")
				results <- err
			}()
			synctest.Wait()
		}
		closed := make(chan error)
		go func() { closed <- h.Close() }()
		synctest.Wait()
		require.ErrorIs(t, <-results, reservation.ErrClosed)
		close(hold)
		require.NoError(t, <-results)
		require.NoError(t, <-closed)
		_, err := p.List(context.Background(), 0)
		require.ErrorIs(t, err, reservation.ErrClosed)
	})
}

// Several hosts on one journal, each of which believes for a while that nothing has changed.
func TestHostsShareAJournal(t *testing.T) {
	journal := reservation.NewMemoryJournal()
	const hosts, rounds = 4, 60
	var group sync.WaitGroup
	for n := range hosts {
		_, p := newHost(t, journal.Reopen())
		group.Go(func() {
			ctx := t.Context()
			for i := range rounds {
				r := block((i*7 + n) % 40)
				token, err := p.CreatePersistent(ctx, reservation.UDP, r, fmt.Sprint(n))
				if errors.Is(err, reservation.ErrInUse) {
					continue
				}
				require.NoError(t, err)
				found, err := p.LookupPersistent(ctx, reservation.UDP, r)
				require.NoError(t, err)
				require.Equal(t, token, found)
				if i%3 == 0 {
					require.NoError(t, p.DeletePersistent(ctx, reservation.UDP, r))
				}
			}
		})
	}
	group.Wait()
	_, one := newHost(t, journal.Reopen())
	_, two := newHost(t, journal.Reopen())
	want, err := one.List(t.Context(), 0)
	require.NoError(t, err)
	require.NotEmpty(t, want)
	got, err := two.List(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, b := range want {
		first, err := one.LookupPersistent(t.Context(), b.Protocol, b.Range)
		require.NoError(t, err)
		second, err := two.LookupPersistent(t.Context(), b.Protocol, b.Range)
		require.NoError(t, err)
		require.Equal(t, first, second, "tokens are equal in all hosts of a boot")
	}
}

// Another host cannot see our runtime reservation and commits over it. Ours is alive, so it stays,
// and the record counts when it ends.
func TestRecordOverARuntimeReservation(t *testing.T) {
	ctx := t.Context()
	journal := reservation.NewMemoryJournal()
	_, ours := newHost(t, journal)
	_, theirs := newHost(t, journal.Reopen())
	e, err := ours.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	held, err := e.Acquire(ctx, reservation.Request{First: 10000, Count: 10})
	require.NoError(t, err)
	_, err = theirs.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("10005-10020"), "")
	require.NoError(t, err)

	blocks, err := ours.List(ctx, 0)
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	require.Equal(t, reservation.Runtime, blocks[0].Kind)
	require.NoError(t, e.Release(ctx, held.Token))
	blocks, err = ours.List(ctx, 0)
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	require.Equal(t, reservation.Persistent, blocks[0].Kind)
}

// The last look, after the commit, finds a stranger who came in between.
func TestCreateIsTakenBackWhenAStrangerCameFirst(t *testing.T) {
	strangers := newStrangers()
	journal := &intruded{MemoryJournal: reservation.NewMemoryJournal(), strangers: strangers}
	h, err := reservation.New(t.Context(), reservation.Config{Journal: journal, Ports: strangers, BootID: "boot-1"})
	require.NoError(t, err)
	defer h.Close()
	p := h.Process(reservation.Caller{Elevated: true})
	journal.armed = true
	_, err = p.CreatePersistent(t.Context(), reservation.UDP, pool.MustParseRange("50000-50009"), "")
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, "stranger (pid 4711)")
	image, err := journal.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, image.Records)
	require.NoError(t, h.CheckInvariants())
}

type intruded struct {
	*reservation.MemoryJournal
	strangers *strangers
	armed     bool
}

func (j *intruded) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	if j.armed {
		j.strangers.set(reservation.UDP, pool.MustParseRange("50005"), true)
	}
	return j.MemoryJournal.Commit(ctx, base, edits)
}

// A journal that may only be read lets everything through that changes nothing.
type readOnly struct{ *reservation.MemoryJournal }

func (readOnly) Commit(context.Context, reservation.Revision, []reservation.Edit) (reservation.Revision, error) {
	return reservation.Revision{}, fmt.Errorf("the store is read only: %w", reservation.ErrDenied)
}

func TestReadOnlyJournal(t *testing.T) {
	ctx := t.Context()
	journal := reservation.NewMemoryJournal()
	writer, err := reservation.New(ctx, reservation.Config{Journal: journal, BootID: "boot-1"})
	require.NoError(t, err)
	r := pool.MustParseRange("50000-50099")
	token, err := writer.Process(reservation.Caller{Elevated: true}).CreatePersistent(ctx, reservation.UDP, r, "")
	require.NoError(t, err)
	require.NoError(t, writer.Process(reservation.Caller{Elevated: true}).AddExclusion(ctx, reservation.UDP, pool.MustParseRange("40000"), reservation.ActiveStore))

	open := func(boot string) *reservation.Process {
		h, err := reservation.New(ctx, reservation.Config{Journal: readOnly{journal.Reopen()}, BootID: boot})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.Close()) })
		return h.Process(reservation.Caller{Elevated: true})
	}
	same := open("boot-1")
	require.True(t, writer.HasTokens())
	found, err := same.LookupPersistent(ctx, reservation.UDP, r)
	require.NoError(t, err)
	require.Equal(t, token, found)
	_, err = same.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("51000"), "")
	require.ErrorIs(t, err, reservation.ErrDenied)

	next := open("boot-2")
	blocks, err := next.List(ctx, 0)
	require.NoError(t, err)
	require.Len(t, blocks, 1, "the active exclusion ended with its boot")
	_, err = next.LookupPersistent(ctx, reservation.UDP, r)
	require.ErrorIs(t, err, reservation.ErrDenied)
	e, err := next.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	_, err = e.Acquire(ctx, reservation.Request{Count: 10})
	require.NoError(t, err)
	require.NoError(t, writer.Close())
}

// A boot is one commit with one edit, whatever the number of reservations.
func TestBootWritesOneRecord(t *testing.T) {
	journal := newGate()
	h, err := reservation.New(t.Context(), reservation.Config{Journal: journal, BootID: "boot-1"})
	require.NoError(t, err)
	for i := range 500 {
		_, err := h.Process(reservation.Caller{Elevated: true}).CreatePersistent(t.Context(), reservation.UDP, block(i), "")
		require.NoError(t, err)
	}
	require.NoError(t, h.Close())
	next := &gate{MemoryJournal: journal.Reopen()}
	h, err = reservation.New(t.Context(), reservation.Config{Journal: next, BootID: "boot-2"})
	require.NoError(t, err)
	require.NoError(t, h.Close())
	require.Equal(t, []int{1}, next.edits)
}
