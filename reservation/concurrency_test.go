package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// TestMain fails when goroutines are left: the engine starts none of its own.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if left := runtime.NumGoroutine(); code == 0 && left > before {
		stacks := make([]byte, 1<<16)
		fmt.Printf("%d goroutines before the tests, %d after:\n%s\n", before, left, stacks[:runtime.Stack(stacks, true)])
		code = 1
	}
	os.Exit(code)
}

type failing struct{ err error }

func (f failing) InUse(context.Context, reservation.Protocol, reservation.Range) ([]uint16, error) {
	return nil, f.err
}

func (f failing) Holders(context.Context, reservation.Protocol, reservation.Range) ([]reservation.Holder, error) {
	return nil, f.err
}

// 64 goroutines bind from one block of 64 and get 64 different ports, round after round.
func TestBindersOfOneBlockGetDifferentPorts(t *testing.T) {
	_, p := newHost(t, reservation.NewMemoryJournal())
	ctx := t.Context()
	token, err := p.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50000+64"), "")
	require.NoError(t, err)
	for range 100 {
		var mu sync.Mutex
		var group sync.WaitGroup
		ports := make(map[uint16]bool)
		endpoints := make(chan reservation.Endpoint, 64)
		for range 64 {
			group.Go(func() {
				e, err := p.Open(ctx, reservation.UDP)
				require.NoError(t, err)
				require.NoError(t, e.Associate(ctx, token))
				port, err := e.Bind(ctx, 0, nil)
				require.NoError(t, err)
				endpoints <- e
				mu.Lock()
				defer mu.Unlock()
				ports[port] = true
			})
		}
		group.Wait()
		require.Len(t, ports, 64)
		for range 64 {
			require.NoError(t, (<-endpoints).Close())
		}
	}
}

// Everything at once, for the race detector and the invariants.
func TestEverythingAtOnce(t *testing.T) {
	h, admin := newHost(t, reservation.NewMemoryJournal())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			p := h.Process(reservation.Caller{PID: uint32(n), Elevated: n%2 == 0})
			for range 150 {
				r := block(random.IntN(8))
				switch random.IntN(8) {
				case 0:
					_, _ = p.CreatePersistent(ctx, reservation.UDP, r, "")
				case 1:
					_ = p.DeletePersistent(ctx, reservation.UDP, r)
				case 2:
					_, _ = p.List(ctx, 0)
				case 3:
					_, _ = p.Explain(ctx, reservation.UDP, r)
				case 4:
					_ = p.AddExclusion(ctx, reservation.UDP, r, reservation.ActiveStore)
					_ = p.DeleteExclusion(ctx, reservation.UDP, r, reservation.ActiveStore)
				case 5:
					token, _ := p.LookupPersistent(ctx, reservation.UDP, r)
					useEndpoint(ctx, p, token, random)
				default:
					useEndpoint(ctx, p, 0, random)
				}
			}
			require.NoError(t, p.Close())
		})
	}
	group.Wait()
	blocks, err := admin.List(ctx, 0)
	require.NoError(t, err)
	for _, b := range blocks {
		require.NotEqual(t, reservation.Runtime, b.Kind, "its process is gone")
		require.Zero(t, b.Bound)
	}
}

func useEndpoint(ctx context.Context, p *reservation.Process, token reservation.Token, random *rand.Rand) {
	e, err := p.Open(ctx, reservation.UDP)
	if err != nil {
		return
	}
	if token == 0 {
		if held, err := e.Acquire(ctx, reservation.Request{Count: 1 + random.IntN(20)}); err == nil {
			token = held.Token
		}
	}
	_ = e.Associate(ctx, token)
	var others sync.WaitGroup
	if random.IntN(4) == 0 {
		others.Go(func() { _ = e.Close() }) // in the middle of the bind
	}
	_, _ = e.Bind(ctx, 0, func(port uint16) (uint16, error) {
		runtime.Gosched()
		if random.IntN(3) == 0 {
			return 0, reservation.ErrInUse
		}
		return port, nil
	})
	others.Wait()
	_ = e.Close()
}

// A bind that ends after its endpoint was closed gives its port back and says so.
func TestCloseDuringBind(t *testing.T) {
	h, p := newHost(t, reservation.NewMemoryJournal())
	e, err := p.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	_, err = e.Bind(t.Context(), 50000, func(port uint16) (uint16, error) {
		require.NoError(t, e.Close())
		return port, nil
	})
	require.ErrorIs(t, err, reservation.ErrClosed)
	require.NoError(t, h.CheckInvariants())
	_, err = p.CreatePersistent(t.Context(), reservation.UDP, pool.MustParseRange("50000"), "")
	require.NoError(t, err)
}

// A bind that panics leaves no claim behind.
func TestBindPanics(t *testing.T) {
	h, p := newHost(t, reservation.NewMemoryJournal())
	e, err := p.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	require.Panics(t, func() {
		_, _ = e.Bind(t.Context(), 50000, func(uint16) (uint16, error) { panic("in the caller's hands") })
	})
	require.NoError(t, h.CheckInvariants())
	_, err = e.Bind(t.Context(), 50000, nil)
	require.NoError(t, err)
}

// A port of ours that is given back while a bind looks for one is found, although the system still
// named it a moment ago.
func TestPortGivenBackDuringBind(t *testing.T) {
	table := &slowTable{strangers: newStrangers()}
	h, err := reservation.New(t.Context(), reservation.Config{Journal: reservation.NewMemoryJournal(), Ports: table, BootID: "b"})
	require.NoError(t, err)
	defer h.Close()
	ctx, p := t.Context(), h.Process(reservation.Caller{Elevated: true})
	token, err := p.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50000-50001"), "")
	require.NoError(t, err)
	open := func() reservation.Endpoint {
		e, err := p.Open(ctx, reservation.UDP)
		require.NoError(t, err)
		require.NoError(t, e.Associate(ctx, token))
		return e
	}
	ours := open()
	_, err = ours.Bind(ctx, 50001, nil)
	require.NoError(t, err)
	table.set(reservation.UDP, pool.MustParseRange("50000-50001"), true) // the system names ours as well
	table.then = func() { require.NoError(t, ours.Close()) }
	port, err := open().Bind(ctx, 0, func(port uint16) (uint16, error) {
		if port == 50000 {
			return 0, reservation.ErrInUse
		}
		return port, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 50001, port)
}

// slowTable is a port table whose answer is old when it arrives.
type slowTable struct {
	*strangers
	then func() // what happens between the question and the answer
}

func (s *slowTable) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	ports, err := s.strangers.InUse(ctx, protocol, within)
	if s.then != nil {
		s.then()
	}
	return ports, err
}

// Any other failure of the real bind ends the call and leaves the endpoint as it was.
func TestBindFails(t *testing.T) {
	h, p := newHost(t, reservation.NewMemoryJournal())
	e, err := p.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	broken := errors.New("no such address")
	tries := 0
	_, err = e.Bind(t.Context(), 0, func(uint16) (uint16, error) { tries++; return 0, broken })
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, tries, "another port would not help")
	require.NoError(t, h.CheckInvariants())
	_, err = e.Bind(t.Context(), 0, nil)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	e, err = p.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	_, err = e.Bind(ctx, 0, func(uint16) (uint16, error) { cancel(); return 0, reservation.ErrInUse })
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, h.CheckInvariants())
}
