package machine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

func TestReboot(t *testing.T) {
	m := machinetest.New(t)
	ctx := t.Context()
	old := m.Process("alice", machine.Elevated)
	block, runtime := pool.MustParseRange("40000-40009"), pool.MustParseRange("41000-41009")
	stays, goes := pool.MustParseRange("42000-42009"), pool.MustParseRange("43000-43009")
	before, err := old.CreatePersistent(ctx, machine.UDP, block, "game")
	require.NoError(t, err)
	require.NoError(t, old.AddExclusion(ctx, machine.UDP, stays, reservation.PersistentStore))
	require.NoError(t, old.AddExclusion(ctx, machine.UDP, goes, reservation.ActiveStore))
	require.NoError(t, m.SetDynamic(machine.UDP, pool.MustParseRange("20000-29999")))
	h := newHandle(t, old, machine.UDP)
	runtimeToken := h.acquire(runtime.First(), runtime.Count()).Token
	_, err = h.associate(before).bind(0)
	require.NoError(t, err)
	_, err = m.Occupy(machine.TCP, 80, "nginx.exe")
	require.NoError(t, err)

	require.NoError(t, m.Reboot())

	t.Run("handles of the old boot are dead", func(t *testing.T) {
		_, err := old.LookupPersistent(ctx, machine.UDP, block)
		require.ErrorIs(t, err, reservation.ErrClosed)
		_, err = old.OpenSocket(reservation.IPv4, machine.UDP)
		require.ErrorIs(t, err, reservation.ErrClosed)
		_, err = h.bind(0)
		require.ErrorIs(t, err, reservation.ErrClosed)
		require.ErrorIs(t, h.socket.SetOptions(reservation.SocketOptions{}), reservation.ErrClosed)
		require.NoError(t, old.Close(), "closing what is closed is no error")
	})
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	t.Run("what is persistent is back, the rest is gone", func(t *testing.T) {
		blocks, err := p.List(ctx, 0)
		require.NoError(t, err)
		var ranges []machine.Range
		for _, b := range blocks {
			ranges = append(ranges, b.Range)
		}
		require.Equal(t, []machine.Range{block, stays}, ranges)
		dynamic, err := m.Dynamic(machine.UDP)
		require.NoError(t, err)
		require.Equal(t, pool.MustParseRange("20000-29999"), dynamic)
	})
	t.Run("tokens have changed", func(t *testing.T) {
		token, err := p.LookupPersistent(ctx, machine.UDP, block)
		require.NoError(t, err)
		require.NotEqual(t, before, token)
		h := newHandle(t, p, machine.UDP)
		require.ErrorIs(t, h.endpoint.Associate(ctx, before), reservation.ErrTokenStale)
		require.ErrorIs(t, h.endpoint.Associate(ctx, runtimeToken), reservation.ErrNotFound)
		require.NoError(t, h.endpoint.Associate(ctx, token))
	})
	t.Run("sockets are gone", func(t *testing.T) {
		_, err := newHandle(t, p, machine.TCP).bind(80)
		require.NoError(t, err)
		require.ErrorIs(t, m.Vacate(machine.TCP, 80), reservation.ErrNotFound)
	})
}

func TestPowerCutKeepsWhatWasDurable(t *testing.T) {
	for _, durable := range []bool{true, false} {
		m := machinetest.New(t)
		p := m.Process("alice", machine.Elevated)
		first, second := pool.MustParseRange("40000+10"), pool.MustParseRange("41000+10")
		_, err := p.CreatePersistent(t.Context(), machine.UDP, first, "")
		require.NoError(t, err)

		m.CutPowerAtCommit(durable)
		_, err = p.CreatePersistent(t.Context(), machine.UDP, second, "")
		require.ErrorIs(t, err, reservation.ErrClosed, "nobody is told what became of it")
		_, err = m.Process("bob", machine.Plain).LookupPersistent(t.Context(), machine.UDP, first)
		require.ErrorIs(t, err, reservation.ErrClosed, "the machine is off")
		require.Contains(t, dump(t, m), "\noff\n")

		require.NoError(t, m.PowerCut())
		p = m.Process("alice", machine.Elevated)
		_, err = p.LookupPersistent(t.Context(), machine.UDP, first)
		require.NoError(t, err, "what was promised is kept")
		_, err = p.LookupPersistent(t.Context(), machine.UDP, second)
		if durable {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, reservation.ErrNotFound)
	}
}

// Power goes while many write. Whatever was answered with success is there again.
func TestPowerCutUnderLoad(t *testing.T) {
	m := machinetest.New(t)
	const writers, each = 8, 50
	made := make([][]machine.Range, writers)
	var running sync.WaitGroup
	half := make(chan struct{}, writers*each)
	for w := range writers {
		p := m.Process("alice", machine.Elevated)
		running.Go(func() {
			for i := range each {
				r, _ := pool.RangeFrom(uint16(10000+1000*w+10*i), 10)
				if _, err := p.CreatePersistent(context.Background(), machine.UDP, r, ""); err != nil {
					require.ErrorIs(t, err, reservation.ErrClosed)
					return
				}
				made[w] = append(made[w], r)
				half <- struct{}{}
			}
		})
	}
	for range writers * each / 4 {
		<-half
	}
	require.NoError(t, m.PowerCut())
	running.Wait()
	p := m.Process("alice", machine.Plain)
	for _, ranges := range made {
		for _, r := range ranges {
			_, err := p.LookupPersistent(t.Context(), machine.UDP, r)
			require.NoError(t, err)
		}
	}
}

func TestFailingDisk(t *testing.T) {
	full := errors.New("disk full")
	m := machinetest.New(t)
	p := m.Process("alice", machine.Elevated)
	create := func() error {
		_, err := p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000+10"), "")
		return err
	}
	m.FailNextCommit(full)
	require.ErrorIs(t, create(), full)
	require.NoError(t, create(), "only the next one fails, and it has left nothing behind")
	require.NoError(t, p.DeletePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000+10")))

	m.FailCommits(full)
	require.ErrorIs(t, create(), full)
	require.ErrorIs(t, create(), full)
	require.ErrorIs(t, m.SetDynamic(machine.TCP, pool.MustParseRange("30000-39999")), full)
	newHandle(t, p, machine.UDP).acquire(40000, 10) // needs no disk
	p.Exit()

	require.ErrorIs(t, m.Reboot(), full, "a boot is written down")
	require.Contains(t, dump(t, m), "\noff\n")
	_, err := m.Process("alice", machine.Elevated).Open(t.Context(), machine.UDP)
	require.ErrorIs(t, err, reservation.ErrClosed)
	require.ErrorIs(t, m.Install(machine.NATService(1)), reservation.ErrClosed)
	_, err = m.Occupy(machine.UDP, 5000, "a.exe")
	require.ErrorIs(t, err, reservation.ErrClosed)

	m.FailCommits(nil)
	require.NoError(t, m.Reboot())
	p = m.Process("alice", machine.Elevated)
	require.NoError(t, create())

	m.FailNextCommit(full)
	m.FailNextCommit(nil)
	require.NoError(t, p.DeletePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000+10")))
	m.FailNextCommit(reservation.ErrStale)
	require.NoError(t, create(), "somebody else has written: the engine tries again")
	m.FailCommits(reservation.ErrStale)
	require.ErrorContains(t, p.DeletePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000+10")), "has changed")
}

func TestSteal(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Plain)
	defer p.Exit()
	token := newHandle(t, p, machine.UDP).acquire(40005, 10).Token
	require.NoError(t, m.Steal(machine.UDP, 40007, 3))
	for _, want := range []uint16{40005, 40006, 40008} {
		port, err := newHandle(t, p, machine.UDP).associate(token).bind(0)
		require.NoError(t, err)
		require.Equal(t, want, port)
	}
	_, err := newHandle(t, p, machine.UDP).associate(token).bind(40007)
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, "thief.exe")
	require.NoError(t, m.Vacate(machine.UDP, 40007))
	port, err := newHandle(t, p, machine.UDP).associate(token).bind(0)
	require.NoError(t, err)
	require.EqualValues(t, 40007, port)

	require.NoError(t, m.Steal(machine.UDP, 40005, 1), "a port that a socket has is not stolen")
	_, err = newHandle(t, p, machine.UDP).associate(token).bind(40009)
	require.NoError(t, err)
	require.NoError(t, m.Steal(machine.UDP, 40010, 1))
	require.NoError(t, m.Vacate(machine.UDP, 40010), "a theft can be called off")
	_, err = newHandle(t, p, machine.UDP).associate(token).bind(40010)
	require.NoError(t, err)

	require.ErrorIs(t, m.Steal(machine.UDP, 0, 1), reservation.ErrInvalid)
	require.ErrorIs(t, m.Steal(machine.UDP, 1, 0), reservation.ErrInvalid)
	require.ErrorIs(t, m.Steal(0, 1, 1), reservation.ErrInvalid)
}

// Two machines may run on one journal, one after the other: the second takes over as if the computer
// had been restarted.
func TestMachinesOfOneJournal(t *testing.T) {
	journal := reservation.NewMemoryJournal()
	m, err := machine.New(machine.Config{Journal: journal})
	require.NoError(t, err)
	before, err := m.Process("alice", machine.Elevated).CreatePersistent(t.Context(), machine.TCP, pool.MustParseRange("40000"), "")
	require.NoError(t, err)
	require.NoError(t, m.Close())

	next := machinetest.NewFrom(t, machine.Config{Journal: journal.Reopen()})
	after, err := next.Process("alice", machine.Plain).LookupPersistent(t.Context(), machine.TCP, pool.MustParseRange("40000"))
	require.NoError(t, err)
	require.NotEqual(t, before, after, "the same seed, but another boot")
}

func TestClosedMachine(t *testing.T) {
	journal := reservation.NewMemoryJournal()
	m, err := machine.New(machine.Config{Journal: journal})
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err = journal.Load(t.Context())
	require.ErrorIs(t, err, reservation.ErrClosed, "the journal is closed")
	require.ErrorIs(t, m.Reboot(), reservation.ErrClosed)
	require.ErrorIs(t, m.PowerCut(), reservation.ErrClosed)
	require.ErrorIs(t, m.Install(machine.HNSService()), reservation.ErrClosed)
	require.ErrorIs(t, m.Import([]machine.Row{{Protocol: machine.TCP, Range: pool.AllPorts}}), reservation.ErrClosed)
	_, err = m.Rows(machine.TCP)
	require.ErrorIs(t, err, reservation.ErrClosed)
	_, err = m.Process("alice", machine.Plain).OpenSocket(reservation.IPv4, machine.UDP)
	require.ErrorIs(t, err, reservation.ErrClosed)
	require.Empty(t, m.Leaks())
}

func TestBadConfig(t *testing.T) {
	bad := reservation.DefaultPolicy()
	bad.BindOutside = nil
	for name, config := range map[string]machine.Config{
		"dynamic range":  {Dynamic: map[machine.Protocol]machine.Range{machine.UDP: pool.MustParseRange("1-65535")}},
		"policy":         {Policy: &bad},
		"wait":           {TimeWait: -time.Second},
		"address":        {Addresses: addresses("0.0.0.0")},
		"mapped address": {Addresses: addresses("::ffff:192.0.2.1")},
	} {
		t.Run(name, func(t *testing.T) {
			journal := reservation.NewMemoryJournal()
			config.Journal = journal
			_, err := machine.New(config)
			require.ErrorIs(t, err, reservation.ErrInvalid)
			_, err = journal.Load(t.Context())
			require.NoError(t, err, "the journal is still the caller's")
		})
	}
	closed := reservation.NewMemoryJournal()
	require.NoError(t, closed.Close())
	_, err := machine.New(machine.Config{Journal: closed})
	require.ErrorIs(t, err, reservation.ErrClosed)
}

func TestClock(t *testing.T) {
	m := machinetest.New(t)
	start := m.Now()
	require.Equal(t, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), start)
	m.Advance(36 * time.Hour)
	p := m.Process("alice", machine.Elevated)
	_, err := p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000"), "")
	require.NoError(t, err)
	require.NoError(t, m.Reboot())
	blocks, err := m.Process("alice", machine.Plain).List(t.Context(), machine.UDP)
	require.NoError(t, err)
	require.Equal(t, start.Add(36*time.Hour), blocks[0].Created)

	noon := time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)
	m = machinetest.NewFrom(t, machine.Config{Clock: func() time.Time { return noon }})
	require.Equal(t, noon, m.Now())
}

func dump(t testing.TB, m *machine.Machine) string {
	t.Helper()
	var b strings.Builder
	n, err := m.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	return b.String()
}
