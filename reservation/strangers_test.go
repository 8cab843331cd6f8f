package reservation_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A watchedTable counts how often the sockets of others are looked at, and how many look at a time.
type watchedTable struct {
	*strangers
	looks   atomic.Int64
	now     atomic.Int64
	most    atomic.Int64
	reading func(context.Context) error // called in each look, before it looks; nil calls nothing
}

func (w *watchedTable) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	w.looks.Add(1)
	w.most.Store(max(w.most.Load(), w.now.Add(1)))
	defer w.now.Add(-1)
	if w.reading != nil {
		if err := w.reading(ctx); err != nil {
			return nil, err
		}
	}
	return w.strangers.InUse(ctx, protocol, within)
}

// hundreds is the dynamic range of these tests' hosts.
var hundreds = pool.MustParseRange("50000-50299")

// newCrowd returns a host without a keeper among strangers, and a process of it.
func newCrowd(t *testing.T) (*reservation.Process, *watchedTable) {
	t.Helper()
	table := &watchedTable{strangers: newStrangers()}
	h, err := reservation.New(t.Context(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), Ports: table, BootID: "boot-1",
		Dynamic: map[reservation.Protocol]reservation.Range{reservation.UDP: hundreds},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.CheckInvariants())
		require.NoError(t, h.Close())
	})
	return h.Process(reservation.Caller{PID: 7, Elevated: true}), table
}

// bindOnce binds an endpoint to a port of its choice and closes it. It returns how many were tried.
func bindOnce(ctx context.Context, p *reservation.Process, kernel *strangers) (port uint16, tries int, err error) {
	e, err := p.Open(ctx, reservation.UDP)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	try := kernel.try(reservation.UDP)
	port, err = e.Bind(ctx, 0, func(port uint16) (uint16, error) { tries++; return try(port) })
	return port, tries, err
}

// Among many strangers the system's table is read once and not in each call, and few ports are tried.
func TestBindAmongStrangers(t *testing.T) {
	for name, free := range map[string]int{"half full": 2, "nine of ten": 10, "99 of 100": 100} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // no second goes by
				p, table := newCrowd(t)
				table.set(reservation.UDP, hundreds, true)
				for port := int(hundreds.First()); port <= int(hundreds.Last()); port += free {
					table.set(reservation.UDP, pool.RangeOf(uint16(port)), false)
				}
				all := 0
				for range 1000 {
					_, tries, err := bindOnce(t.Context(), p, table.strangers)
					require.NoError(t, err)
					all += tries
				}
				require.LessOrEqual(t, table.looks.Load(), int64(1))
				require.LessOrEqual(t, all, 1000+hundreds.Count()/2)
			})
		})
	}
}

// A port that a stranger had is passed over for a second and not for ever, and no look is needed to
// find that out.
func TestStrangersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, table := newCrowd(t)
		first, _, err := bindOnce(t.Context(), p, table.strangers)
		require.NoError(t, err)
		table.set(reservation.UDP, hundreds, true)
		next := func(port uint16) uint16 { // automatic assignment goes on behind the last port
			if port == hundreds.Last() {
				return hundreds.First()
			}
			return port + 1
		}
		taken := next(first)
		free := next(taken)
		table.set(reservation.UDP, hundreds, false)
		table.set(reservation.UDP, pool.RangeOf(taken), true)
		port, tries, err := bindOnce(t.Context(), p, table.strangers)
		require.NoError(t, err)
		require.Equal(t, 2, tries)
		require.Equal(t, free, port)

		table.set(reservation.UDP, pool.RangeOf(taken), false)
		round := func() (met bool) {
			for range hundreds.Count() - 1 {
				port, tries, err := bindOnce(t.Context(), p, table.strangers)
				require.NoError(t, err)
				require.Equal(t, 1, tries)
				met = met || port == taken
			}
			return met
		}
		require.False(t, round())
		time.Sleep(999 * time.Millisecond)
		require.False(t, round())
		time.Sleep(time.Millisecond)
		require.True(t, round())
		require.Zero(t, table.looks.Load())
	})
}

// What is remembered says nothing of a port that is asked for by number.
func TestStrangersAreTriedByNumber(t *testing.T) {
	_, p, keeper := newKeptHost(t)
	within := pool.MustParseRange("50000-50009")
	keeper.set(reservation.UDP, within, true)
	_, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	keeper.set(reservation.UDP, within, false)
	looks := keeper.looks.Load()
	held, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50003, Count: 1})
	require.NoError(t, err)

	// Nor does it of the ports of a block of ours, which it was remembered of before that.
	drawer := openUDP(t, p)
	require.NoError(t, drawer.Associate(t.Context(), held.Token))
	_, err = drawer.Bind(t.Context(), 0, nil)
	require.NoError(t, err)
	_, err = openUDP(t, p).Bind(t.Context(), 50004, nil)
	require.NoError(t, err)
	require.Equal(t, looks, keeper.looks.Load())
}

// That nothing is left is said by a new look alone, whatever is remembered.
func TestOnlyALookSaysThatNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, table := newCrowd(t)
		table.set(reservation.UDP, hundreds, true)
		for n := range 3 {
			_, _, err := bindOnce(t.Context(), p, table.strangers)
			require.ErrorIs(t, err, reservation.ErrExhausted)
			require.ErrorContains(t, err, "port 50000 is bound by stranger (pid 4711) and 299 more")
			require.EqualValues(t, 2+n, table.looks.Load())
		}
		table.set(reservation.UDP, pool.RangeOf(50123), false)
		port, tries, err := bindOnce(t.Context(), p, table.strangers)
		require.NoError(t, err)
		require.EqualValues(t, 50123, port)
		require.Equal(t, 1, tries)
		require.EqualValues(t, 5, table.looks.Load())
	})
}

// Many who meet strangers at once share one look.
func TestOneLooksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, table := newCrowd(t)
		table.set(reservation.UDP, hundreds, true)
		table.set(reservation.UDP, pool.MustParseRange("50100-50199"), false)
		opening := make(chan struct{})
		table.reading = func(context.Context) error { <-opening; return nil }
		e, err := p.Open(t.Context(), reservation.UDP) // what comes next is a stranger's
		require.NoError(t, err)
		_, err = e.Bind(t.Context(), 50199, nil)
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				for range 10 {
					_, _, err := bindOnce(t.Context(), p, table.strangers)
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		synctest.Wait()
		close(opening)
		group.Wait()
		require.LessOrEqual(t, table.looks.Load(), int64(2))
		require.EqualValues(t, 1, table.most.Load())
	})
}

// Those who create at once look together, before and after their commit, and each is told of its own ports.
func TestCreatesLookTogether(t *testing.T) {
	for name, test := range map[string]struct{ apart, looks int }{
		"side by side": {16, 6},
		"far apart":    {1000, 30}, // one look is for 16,384 ports at most
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, table := newCrowd(t)
				table.reading = func(context.Context) error { time.Sleep(time.Millisecond); return nil }
				taken := pool.RangeOf(uint16(1024 + 9*test.apart + 3))
				table.set(reservation.UDP, taken, true)
				var group sync.WaitGroup
				for n := range 64 {
					group.Go(func() {
						r, err := pool.RangeFrom(uint16(1024+n*test.apart), 8)
						require.NoError(t, err)
						_, err = p.CreatePersistent(t.Context(), reservation.UDP, r, "")
						if r.Overlaps(taken) {
							require.ErrorIs(t, err, reservation.ErrInUse)
							return
						}
						require.NoError(t, err)
					})
				}
				group.Wait()
				require.LessOrEqual(t, table.most.Load(), int64(2), "the one that is refused looks for another block as well")
				require.LessOrEqual(t, table.looks.Load(), int64(test.looks))
			})
		})
	}
}

// Whoever gives up a look, by the end of its context or by a panic of the table, leaves it to the
// next one who needs it.
func TestGivenUpLooksAreMadeByOthers(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context) error{
		"its context ends": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"the table panics": func(ctx context.Context) error { <-ctx.Done(); panic("in the table") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, table := newCrowd(t)
				table.set(reservation.UDP, hundreds, true)
				var looks atomic.Int64
				table.reading = func(ctx context.Context) error {
					if looks.Add(1) == 1 {
						return end(ctx)
					}
					table.set(reservation.UDP, pool.RangeOf(50050), false)
					return nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				var group sync.WaitGroup
				group.Go(func() {
					defer func() { _ = recover() }()
					_, _, err := bindOnce(ctx, p, table.strangers)
					require.ErrorIs(t, err, context.Canceled)
				})
				synctest.Wait()
				impatient, leave := context.WithCancel(t.Context())
				group.Go(func() {
					_, _, err := bindOnce(impatient, p, table.strangers)
					require.ErrorIs(t, err, context.Canceled, "it need not wait for the other's look")
				})
				synctest.Wait()
				leave()
				synctest.Wait()
				group.Go(func() {
					port, _, err := bindOnce(t.Context(), p, table.strangers)
					require.NoError(t, err)
					require.EqualValues(t, 50050, port)
				})
				synctest.Wait()
				require.EqualValues(t, 1, looks.Load())
				cancel()
				group.Wait()
				require.LessOrEqual(t, looks.Load(), int64(3))
			})
		})
	}
}

// While strangers come and go, as many as are left ports for find one each time, whatever others have
// remembered meanwhile.
func TestNobodyFailsWhileStrangersComeAndGo(t *testing.T) {
	const acquirers, rounds = 16, 200
	_, p, keeper := newKeptHost(t)
	within, always := pool.MustParseRange("50000-50099"), pool.MustParseRange("50030-50045")
	keeper.set(reservation.UDP, within, true)
	keeper.set(reservation.UDP, always, false)
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			default:
				if port := within.First() + uint16(n*37%within.Count()); !always.Contains(port) && !keeper.keeps(reservation.UDP, port) {
					keeper.set(reservation.UDP, pool.RangeOf(port), n/within.Count()%2 == 0)
				}
			}
		}
	}()
	var group sync.WaitGroup
	for range acquirers {
		e := openUDP(t, p)
		group.Go(func() {
			for range rounds {
				held, err := e.Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
				if err == nil {
					err = e.Release(t.Context(), held.Token)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	close(over)
	<-gone
	t.Logf("%d rounds, %d tries, %d looks", acquirers*rounds, keeper.tries.Load(), keeper.looks.Load())
}

// What the host itself takes and gives back while the table is read is nobody else's.
func TestOurPortsAreNoStrangersDuringALook(t *testing.T) {
	within := pool.MustParseRange("50000-50009")
	table := &interruptedTable{fakeKeeper: newFakeKeeper(newStrangers())}
	h, err := reservation.New(t.Context(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), Keeper: table, Ports: table, BootID: "boot-1",
	})
	require.NoError(t, err)
	defer h.Close()
	p := h.Process(reservation.Caller{})
	table.set(reservation.UDP, within, true)
	table.set(reservation.UDP, pool.RangeOf(50007), false)
	var owner reservation.Endpoint
	table.before = func() {
		owner = openUDP(t, p)
		_, err := owner.Acquire(t.Context(), reservation.Request{First: 50007, Count: 1})
		require.NoError(t, err)
	}
	table.after = func() { require.NoError(t, owner.Close()) }
	held, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.NoError(t, err)
	require.EqualValues(t, 50007, held.Range.First())
	require.EqualValues(t, 1, table.looks.Load())
}

// An interruptedTable lets things happen right before and after its answer is made.
type interruptedTable struct {
	*fakeKeeper
	before, after func()
}

func (i *interruptedTable) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	i.before()
	defer i.after()
	return i.fakeKeeper.InUse(ctx, protocol, within)
}

// Where the system does not say who has which port each one is tried, and none twice.
func TestSearchWithoutATable(t *testing.T) {
	for name, fails := range map[string]bool{"there is none": false, "it cannot be read": true} {
		t.Run(name, func(t *testing.T) {
			keeper, config := newFakeKeeper(newStrangers()), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "boot-1"}
			config.Keeper = keeper
			if fails {
				config.Ports = &watchedTable{strangers: newStrangers(), reading: func(context.Context) error { return reservation.ErrUnsupported }}
			}
			h, err := reservation.New(t.Context(), config)
			require.NoError(t, err)
			defer h.Close()
			p, within := h.Process(reservation.Caller{}), pool.MustParseRange("50000-50019")
			keeper.set(reservation.UDP, within, true)
			for range 2 {
				keeper.tries.Store(0)
				_, err = openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
				require.ErrorIs(t, err, reservation.ErrExhausted)
				require.EqualValues(t, 20, keeper.tries.Load())
			}
			keeper.set(reservation.UDP, pool.RangeOf(50011), false)
			_, err = openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
			require.NoError(t, err)
		})
	}
}
