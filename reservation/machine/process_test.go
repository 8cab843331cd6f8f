package machine_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// An administrator who is not elevated may do what anybody may, and no more.
func TestPrivileges(t *testing.T) {
	m := machinetest.New(t)
	ctx := t.Context()
	made, fresh := pool.MustParseRange("40000-40009"), pool.MustParseRange("41000-41009")
	owner := m.Process("alice", machine.Elevated)
	token, err := owner.CreatePersistent(ctx, machine.TCP, made, "")
	require.NoError(t, err)
	for _, privilege := range []machine.Privilege{machine.Plain, machine.Administrator, machine.Elevated} {
		t.Run(privilege.String(), func(t *testing.T) {
			p := m.Process("bob", privilege)
			defer p.Exit()
			require.Equal(t, privilege, p.Program().Privilege)
			elevated := func(err error) {
				t.Helper()
				if privilege == machine.Elevated {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, reservation.ErrDenied)
			}
			_, err := p.CreatePersistent(ctx, machine.TCP, fresh, "")
			elevated(err)
			elevated(p.SetDynamic(ctx, machine.TCP, reservation.DefaultDynamic))
			elevated(p.AddExclusion(ctx, machine.UDP, fresh, reservation.ActiveStore))
			h := newHandle(t, p, machine.TCP)
			elevated(h.endpoint.Associate(ctx, token))
			if privilege == machine.Elevated {
				require.NoError(t, p.DeletePersistent(ctx, machine.TCP, fresh))
			}
			_, err = p.LookupPersistent(ctx, machine.TCP, made)
			require.NoError(t, err)
			newHandle(t, p, machine.TCP).acquire(0, 64)
		})
	}
	require.Equal(t, "privilege(9)", machine.Privilege(9).String())
}

// A runtime reservation belongs to its process: not to another of the same user, elevated or not.
func TestRuntimeReservationsBelongToTheirProcess(t *testing.T) {
	m := machinetest.New(t)
	owner, other := m.Process("alice", machine.Plain), m.Process("alice", machine.Elevated)
	defer other.Exit()
	token := newHandle(t, owner, machine.UDP).acquire(40000, 10).Token
	h := newHandle(t, other, machine.UDP)
	require.ErrorIs(t, h.endpoint.Associate(t.Context(), token), reservation.ErrDenied)
	require.ErrorIs(t, h.endpoint.Release(t.Context(), token), reservation.ErrDenied)
	owner.Exit()
	owner.Exit()
	require.ErrorIs(t, h.endpoint.Associate(t.Context(), token), reservation.ErrNotFound, "it went with its process")
	h.acquire(40000, 10)
}

// Messages say which program stands in the way.
func TestConflictsNamePrograms(t *testing.T) {
	m := machinetest.New(t)
	p := m.Run(machine.Program{Name: "game.exe", User: "alice"})
	q := m.Run(machine.Program{Name: "rival.exe", User: "bob"})
	defer p.Exit()
	defer q.Exit()
	newHandle(t, p, machine.UDP).acquire(40000, 10)
	_, err := newHandle(t, q, machine.UDP).bind(40003)
	var refused *reservation.Error
	require.True(t, errors.As(err, &refused))
	require.Equal(t, "game.exe", refused.Conflict.Block.Program)
	require.Equal(t, p.PID(), refused.Conflict.Block.PID)

	_, err = newHandle(t, p, machine.UDP).bind(5000)
	require.NoError(t, err)
	_, err = newHandle(t, q, machine.UDP).bind(5000)
	require.ErrorContains(t, err, "port 5000 is bound by game.exe (pid 1000)")
	explained, err := q.Explain(t.Context(), machine.UDP, pool.MustParseRange("5000"))
	require.NoError(t, err)
	require.Equal(t, []reservation.Holder{{Port: 5000, PID: p.PID(), Program: "game.exe", Ours: true}}, explained.InUse)
}

func TestOccupyRespectsReservations(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Plain)
	defer p.Exit()
	newHandle(t, p, machine.UDP).acquire(40000, 10)
	before := dump(t, m)
	_, err := m.Occupy(machine.UDP, 40000, "other.exe")
	require.ErrorIs(t, err, reservation.ErrDenied)
	_, err = m.Occupy(machine.UDP, 0, "other.exe")
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = m.Occupy(0, 5000, "other.exe")
	require.ErrorIs(t, err, reservation.ErrInvalid)
	require.Equal(t, before, dump(t, m))
	require.ErrorIs(t, m.Vacate(machine.UDP, 40000), reservation.ErrNotFound)

	first, err := m.Occupy(machine.UDP, 5000, "other.exe")
	require.NoError(t, err)
	_, err = m.Occupy(machine.UDP, 5000, "third.exe")
	require.ErrorIs(t, err, reservation.ErrInUse)
	first.Exit()
	require.ErrorIs(t, m.Vacate(machine.UDP, 5000), reservation.ErrNotFound)
}
