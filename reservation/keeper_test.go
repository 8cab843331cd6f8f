package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// fakeKeeper keeps ports in a set beside the strangers of a computer: neither gets what the other
// has. It is the computer's port table as well, in which what it keeps has no known owner.
type fakeKeeper struct {
	*strangers
	kept  map[reservation.Protocol]*pool.PortSet // guarded by the strangers' mu
	tries atomic.Int64                           // calls of Keep
	looks atomic.Int64                           // calls of InUse

	onKeep  func() error // called in each Keep that would succeed; nil calls nothing
	onClose func()       // called in each first Close, while the ports are still kept; nil calls nothing
}

func newFakeKeeper(s *strangers) *fakeKeeper {
	return &fakeKeeper{strangers: s, kept: map[reservation.Protocol]*pool.PortSet{reservation.TCP: {}, reservation.UDP: {}}}
}

func (k *fakeKeeper) Keep(_ context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.KeptBlock, error) {
	k.tries.Add(1)
	if k.onKeep != nil {
		if err := k.onKeep(); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for port := range r.Ports() {
		if k.bound[protocol].Contains(port) || k.kept[protocol].Contains(port) {
			return nil, &reservation.Error{Op: "keep", Protocol: protocol, Range: pool.RangeOf(port), Err: reservation.ErrInUse}
		}
	}
	k.kept[protocol].Add(r)
	b := &fakeBlock{keeper: k, protocol: protocol, ports: r}
	b.closing = sync.OnceFunc(b.letGo)
	return b, nil
}

func (k *fakeKeeper) keeps(protocol reservation.Protocol, port uint16) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[protocol].Contains(port)
}

func (k *fakeKeeper) keptPorts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[reservation.UDP].Len() + k.kept[reservation.TCP].Len()
}

func (k *fakeKeeper) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	k.looks.Add(1)
	ports, err := k.strangers.InUse(ctx, protocol, within)
	k.mu.Lock()
	defer k.mu.Unlock()
	for port := range k.kept[protocol].All() {
		if within.Contains(port) {
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), err
}

func (k *fakeKeeper) Holders(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]reservation.Holder, error) {
	holders, err := k.strangers.Holders(ctx, protocol, within)
	for port := range within.Ports() {
		if k.keeps(protocol, port) {
			holders = append(holders, reservation.Holder{Port: port})
		}
	}
	return holders, err
}

type fakeBlock struct {
	keeper   *fakeKeeper
	protocol reservation.Protocol
	ports    reservation.Range
	closing  func()
}

func (b *fakeBlock) Close() error {
	b.closing()
	return nil
}

func (b *fakeBlock) letGo() {
	if b.keeper.onClose != nil {
		b.keeper.onClose()
	}
	b.keeper.mu.Lock()
	defer b.keeper.mu.Unlock()
	b.keeper.kept[b.protocol].Remove(b.ports)
}

// newKeptHost returns a host with a keeper, and a process of it.
func newKeptHost(t *testing.T) (*reservation.Host, *reservation.Process, *fakeKeeper) {
	t.Helper()
	keeper := newFakeKeeper(newStrangers())
	h, err := reservation.New(t.Context(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), Keeper: keeper, Ports: keeper, BootID: "boot-1",
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.CheckInvariants())
		require.NoError(t, h.Close())
		require.Zero(t, keeper.keptPorts(), "what was kept is let go of")
	})
	return h, h.Process(reservation.Caller{PID: 7, Program: "media", Elevated: true}), keeper
}

func openUDP(t *testing.T, p *reservation.Process) reservation.Endpoint {
	t.Helper()
	e, err := p.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	return e
}

// Whatever ends a runtime reservation lets go of its ports, outside all locks, and until that is done
// nobody is told that they are free.
func TestWhateverEndsAReservationLetsGoOfItsPorts(t *testing.T) {
	r := pool.MustParseRange("50000-50009")
	for name, end := range map[string]func(*testing.T, *reservation.Host, *reservation.Process, reservation.Endpoint, reservation.Token){
		"release": func(t *testing.T, _ *reservation.Host, p *reservation.Process, _ reservation.Endpoint, token reservation.Token) {
			require.NoError(t, openUDP(t, p).Release(t.Context(), token))
		},
		"close of the endpoint": func(t *testing.T, _ *reservation.Host, _ *reservation.Process, e reservation.Endpoint, _ reservation.Token) {
			require.NoError(t, e.Close())
		},
		"close of the process": func(t *testing.T, _ *reservation.Host, p *reservation.Process, _ reservation.Endpoint, _ reservation.Token) {
			require.NoError(t, p.Close())
		},
		"close of the host": func(t *testing.T, h *reservation.Host, _ *reservation.Process, _ reservation.Endpoint, _ reservation.Token) {
			require.NoError(t, h.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, p, keeper := newKeptHost(t)
			other := h.Process(reservation.Caller{PID: 8})
			e := openUDP(t, p)
			held, err := e.Acquire(t.Context(), reservation.Request{First: r.First(), Count: r.Count()})
			require.NoError(t, err)
			require.Equal(t, r.Count(), keeper.keptPorts())
			closes := 0
			keeper.onClose = func() {
				closes++
				require.NoError(t, h.CheckInvariants(), "mu can be had")
				if name == "close of the host" {
					return
				}
				require.ErrorIs(t, openUDP(t, other).Associate(t.Context(), held.Token), reservation.ErrNotFound, "the token is dead")
				_, err := openUDP(t, other).Acquire(t.Context(), reservation.Request{First: r.Last(), Count: 1})
				require.ErrorIs(t, err, reservation.ErrInUse)
				free, err := other.Free(t.Context(), reservation.UDP, 1, pool.Search{Within: pool.MustParseRange("50000-50010")})
				require.NoError(t, err)
				require.Equal(t, pool.MustParseRange("50010"), free)
			}
			end(t, h, p, e, held.Token)
			keeper.onClose = nil
			require.Equal(t, 1, closes)
			require.Zero(t, keeper.keptPorts())
			if name != "close of the host" {
				_, err = openUDP(t, other).Acquire(t.Context(), reservation.Request{First: r.First(), Count: r.Count()})
				require.NoError(t, err)
			}
		})
	}
}

// A bound endpoint keeps its port when the block that it was bound from ends, as on Windows.
func TestBoundPortsOutliveTheirKeptBlock(t *testing.T) {
	_, p, _ := newKeptHost(t)
	owner, bound := openUDP(t, p), openUDP(t, p)
	held, err := owner.Acquire(t.Context(), reservation.Request{First: 50000, Count: 2})
	require.NoError(t, err)
	require.NoError(t, bound.Associate(t.Context(), held.Token))
	_, err = bound.Bind(t.Context(), 50001, nil)
	require.NoError(t, err)
	require.NoError(t, owner.Close())
	_, err = openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50000, Count: 2})
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.NoError(t, bound.Close())
	_, err = openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50000, Count: 2})
	require.NoError(t, err)
}

// With 90 of 100 ports taken by strangers an acquire never fails while one is free, and the computer's
// sockets are looked at once, neither for each port nor for each call.
func TestAcquireAmongStrangers(t *testing.T) {
	_, p, keeper := newKeptHost(t)
	within := pool.MustParseRange("50000-50099")
	keeper.set(reservation.UDP, within, true)
	for port := 50005; port <= 50095; port += 10 {
		keeper.set(reservation.UDP, pool.RangeOf(uint16(port)), false)
	}
	e := openUDP(t, p)
	for n := range 10 {
		held, err := e.Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
		require.NoError(t, err)
		require.EqualValues(t, 50005+10*n, held.Range.First())
	}
	require.EqualValues(t, 4+10, keeper.tries.Load(), "what the first one has seen serves the others")
	require.EqualValues(t, 1, keeper.looks.Load())
	_, err := e.Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	require.ErrorContains(t, err, "port 50000 is bound by stranger (pid 4711) and 99 more", "it says who is in the way")
}

// A stranger that comes and goes is a lost race, and not the end of the search.
func TestLostRacesGoOnUntilNothingIsLeft(t *testing.T) {
	_, p, keeper := newKeptHost(t)
	within, taken := pool.MustParseRange("50000-50019"), uint16(50000)
	keeper.onKeep = func() error { // somebody is always a moment faster
		keeper.set(reservation.UDP, pool.RangeOf(taken), true)
		taken++
		return nil
	}
	_, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	require.EqualValues(t, 20, keeper.tries.Load())
	require.LessOrEqual(t, keeper.looks.Load(), int64(2))

	// What was seen of the others is old by the time that it is used: it is looked at again.
	keeper.onKeep = nil
	_, err = openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	keeper.set(reservation.UDP, pool.RangeOf(50007), false)
	held, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
	require.NoError(t, err)
	require.EqualValues(t, 50007, held.Range.First())
}

func TestSpecificBlockInUseNamesTheHolder(t *testing.T) {
	_, p, keeper := newKeptHost(t)
	keeper.set(reservation.UDP, pool.MustParseRange("50003-50004"), true)
	_, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50000, Count: 10})
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.EqualError(t, err, "acquire udp 50000-50009: in use: port 50003 is bound by stranger (pid 4711) and 1 more; nearest free: 50005-50014")
	require.EqualValues(t, 1, keeper.tries.Load())
}

// What trying another block would not help against ends the call at once, and changes nothing.
func TestKeeperThatCannot(t *testing.T) {
	broken := errors.New("out of memory")
	for name, fails := range map[string]error{
		"limit":    fmt.Errorf("%w: RLIMIT_NOFILE", reservation.ErrLimit),
		"denied":   reservation.ErrDenied,
		"canceled": context.Canceled,
		"other":    broken,
	} {
		t.Run(name, func(t *testing.T) {
			h, p, keeper := newKeptHost(t)
			keeper.onKeep = func() error { return fails }
			_, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{Count: 10})
			require.ErrorIs(t, err, fails)
			require.EqualValues(t, 1, keeper.tries.Load())
			require.NoError(t, h.CheckInvariants())
			blocks, err := p.List(t.Context(), 0)
			require.NoError(t, err)
			require.Empty(t, blocks)
		})
	}
	t.Run("panics", func(t *testing.T) {
		h, p, keeper := newKeptHost(t)
		keeper.onKeep = func() error { panic("in the keeper's hands") }
		require.Panics(t, func() {
			_, _ = openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50000, Count: 10})
		})
		require.NoError(t, h.CheckInvariants())
		keeper.onKeep = nil
		_, err := openUDP(t, p).Acquire(t.Context(), reservation.Request{First: 50000, Count: 10})
		require.NoError(t, err)
	})
	t.Run("its context ends between two tries", func(t *testing.T) {
		_, p, keeper := newKeptHost(t)
		ctx, cancel := context.WithCancel(t.Context())
		keeper.set(reservation.UDP, pool.AllPorts, true)
		keeper.onKeep = func() error { cancel(); return nil }
		_, err := openUDP(t, p).Acquire(ctx, reservation.Request{Count: 1})
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, keeper.tries.Load())
	})
}

// A host that reserves ports in the journal while another has them kept for a runtime reservation, and
// does not see that, wins: the other looks into the journal afterwards.
func TestAcquireIsOvertakenByTheJournal(t *testing.T) {
	shared, keeper := reservation.NewMemoryJournal(), newFakeKeeper(newStrangers())
	h, err := reservation.New(t.Context(), reservation.Config{Journal: shared.Reopen(), Keeper: keeper, Ports: keeper, BootID: "boot-1"})
	require.NoError(t, err)
	defer h.Close()
	_, other := newHost(t, shared)
	e := openUDP(t, h.Process(reservation.Caller{}))
	within := pool.MustParseRange("50000-50019")
	keeper.onKeep = sync.OnceValue(func() error {
		_, err := other.CreatePersistent(t.Context(), reservation.UDP, pool.MustParseRange("50005"), "faster")
		return err
	})
	_, err = e.Acquire(t.Context(), reservation.Request{First: 50000, Count: 10})
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, `persistent reservation "faster"`)
	require.Zero(t, keeper.keptPorts())

	keeper.onKeep = sync.OnceValue(func() error {
		return other.AddExclusion(t.Context(), reservation.UDP, pool.MustParseRange("50006"), reservation.ActiveStore)
	})
	held, err := e.Acquire(t.Context(), reservation.Request{Count: 10, Within: within})
	require.NoError(t, err)
	require.Equal(t, pool.MustParseRange("50007-50016"), held.Range)
	require.NoError(t, h.CheckInvariants())
}

// An endpoint that is closed while it acquires keeps nothing.
func TestCloseDuringAcquire(t *testing.T) {
	for name, end := range map[string]func(*reservation.Host, *reservation.Process, reservation.Endpoint) error{
		"endpoint": func(_ *reservation.Host, _ *reservation.Process, e reservation.Endpoint) error { return e.Close() },
		"process":  func(_ *reservation.Host, p *reservation.Process, _ reservation.Endpoint) error { return p.Close() },
		"host":     func(h *reservation.Host, _ *reservation.Process, _ reservation.Endpoint) error { return h.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h, p, keeper := newKeptHost(t)
			e := openUDP(t, p)
			keeper.onKeep = func() error { return end(h, p, e) }
			_, err := e.Acquire(t.Context(), reservation.Request{First: 50000, Count: 10})
			require.ErrorIs(t, err, reservation.ErrClosed)
			require.Zero(t, keeper.keptPorts())
			require.NoError(t, h.CheckInvariants())
		})
	}
}

// Who binds a real socket learns from the endpoint what keeps its port.
func TestEndpointSaysWhatKeepsItsPorts(t *testing.T) {
	_, p, _ := newKeptHost(t)
	kept := func(e reservation.Endpoint) reservation.KeptBlock { return e.(reservation.KeptEndpoint).Kept() }
	owner, drawer, other := openUDP(t, p), openUDP(t, p), openUDP(t, p)
	held, err := owner.Acquire(t.Context(), reservation.Request{First: 50000, Count: 2})
	require.NoError(t, err)
	require.Nil(t, kept(owner), "to acquire is not to associate")
	require.NoError(t, drawer.Associate(t.Context(), held.Token))
	token, err := p.CreatePersistent(t.Context(), reservation.UDP, pool.MustParseRange("50010"), "")
	require.NoError(t, err)
	require.NoError(t, other.Associate(t.Context(), token))
	require.Nil(t, kept(other), "persistent reservations are kept by nobody")
	_, err = drawer.Bind(t.Context(), 0, func(port uint16) (uint16, error) {
		require.Equal(t, held.Range, kept(drawer).(*fakeBlock).ports)
		return port, nil
	})
	require.NoError(t, err)
}

// What keeps our own blocks is nobody who stands in somebody's way.
func TestOurKeeperIsNoStranger(t *testing.T) {
	_, p, keeper := newKeptHost(t)
	owner, drawer := openUDP(t, p), openUDP(t, p)
	held, err := owner.Acquire(t.Context(), reservation.Request{First: 50000, Count: 3})
	require.NoError(t, err)
	require.NoError(t, drawer.Associate(t.Context(), held.Token))

	// The first port of the block fails: the next one is not taken, although the system says so.
	port, err := drawer.Bind(t.Context(), 0, func(port uint16) (uint16, error) {
		if port == 50000 {
			return 0, reservation.ErrInUse
		}
		return port, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 50001, port)

	keeper.set(reservation.UDP, pool.RangeOf(50009), true)
	told, err := p.Explain(t.Context(), reservation.UDP, pool.MustParseRange("50000-50009"))
	require.NoError(t, err)
	require.Len(t, told.Blocks, 1)
	require.Equal(t, 1, told.Blocks[0].Bound)
	require.Equal(t, []reservation.Holder{
		{Port: 50001, PID: 7, Program: "media", Ours: true},
		{Port: 50009, PID: 4711, Program: "stranger"},
	}, told.InUse)
}

// Many acquire and release at once in a range that is just large enough, and none fails.
func TestAcquirersShareATightRange(t *testing.T) {
	const acquirers, rounds = 16, 200
	_, p, keeper := newKeptHost(t)
	within := pool.MustParseRange("50000-50031")
	for port := 50000; port < 50032; port += 2 {
		keeper.set(reservation.UDP, pool.RangeOf(uint16(port)), true)
	}
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
}
