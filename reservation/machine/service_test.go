package machine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

func TestHTTPServiceListensInTheKernel(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	require.NoError(t, m.Install(machine.HTTPService(80, 5357)))
	require.Equal(t, []machine.Row{row(machine.TCP, "80", false), row(machine.TCP, "5357", false)}, rows(t, m, machine.TCP))

	_, err := newHandle(t, p, machine.TCP).bind(5357)
	require.ErrorIs(t, err, reservation.ErrDenied)
	require.ErrorContains(t, err, "http (pid 4)")
	_, err = newHandle(t, p, machine.TCP).endpoint.Acquire(t.Context(), reservation.Request{First: 5357, Count: 1})
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorIs(t, p.DeleteExclusion(t.Context(), machine.TCP, pool.MustParseRange("5357"), reservation.ActiveStore),
		reservation.ErrNotFound, "netsh deletes only what was administered")
	_, err = newHandle(t, p, machine.UDP).bind(5357)
	require.NoError(t, err)

	require.NoError(t, m.Reboot())
	require.Len(t, rows(t, m, machine.TCP), 2, "http.sys is back at the same place")
}

// http.sys cannot have a port of an administered block, where other listeners can.
func TestHTTPServiceIsRefusedAnExclusion(t *testing.T) {
	m := machinetest.New(t)
	require.NoError(t, m.Install(machine.HNSService()))
	before := dump(t, m)
	require.ErrorIs(t, m.Install(machine.HTTPService(80, 50001)), reservation.ErrInUse)
	require.Equal(t, before, dump(t, m), "all holds or none")
}

func TestNATBlocksMoveAtEachBoot(t *testing.T) {
	m := machinetest.New(t)
	require.NoError(t, m.Install(machine.NATService(3)))
	seen := make(map[machine.Range]bool)
	for range 4 {
		found := rows(t, m, machine.UDP)
		require.Len(t, found, 3)
		for _, r := range found {
			require.Equal(t, 100, r.Range.Count())
			require.True(t, reservation.DefaultDynamic.Covers(r.Range))
			require.False(t, r.Administered)
			require.False(t, seen[r.Range])
			seen[r.Range] = true
		}
		require.NoError(t, m.Reboot())
	}
}

// The standard cure against WinNAT: stop it, exclude the port that you want, start it again.
func TestExcludingAPortFromNAT(t *testing.T) {
	dynamic := pool.MustParseRange("50000+255")
	m := machinetest.NewFrom(t, machine.Config{Dynamic: map[machine.Protocol]machine.Range{machine.TCP: dynamic, machine.UDP: dynamic}})
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	require.NoError(t, m.Install(machine.NATService(2)))
	wanted := rows(t, m, machine.TCP)[0].Range
	port, err := pool.RangeFrom(wanted.First()+50, 1)
	require.NoError(t, err)

	require.ErrorIs(t, p.AddExclusion(t.Context(), machine.TCP, port, reservation.PersistentStore), reservation.ErrInUse)
	require.NoError(t, m.StopService("winnat"))
	require.NoError(t, p.AddExclusion(t.Context(), machine.TCP, port, reservation.PersistentStore))
	require.ErrorIs(t, m.StopService("winnat"), reservation.ErrState)
	if err := m.StartService("winnat"); err != nil {
		require.ErrorIs(t, err, reservation.ErrExhausted, "so small a dynamic range may be too broken now")
		require.ErrorIs(t, m.StopService("winnat"), reservation.ErrState)
	}
	_, err = newHandle(t, p, machine.TCP).bind(port.First())
	require.NoError(t, err)
}

func TestHNSRowComesBackWithEachBoot(t *testing.T) {
	m := machinetest.New(t)
	require.NoError(t, m.Install(machine.HNSService()))
	want := []machine.Row{row(machine.UDP, "50000-50059", true)}
	require.Equal(t, want, rows(t, m, machine.UDP))
	require.NoError(t, m.Reboot())
	require.Equal(t, want, rows(t, m, machine.UDP))
	require.NoError(t, m.StopService("hns"))
	require.Empty(t, rows(t, m, machine.UDP))
	require.NoError(t, m.StartService("hns"))
	require.ErrorIs(t, m.StartService("hns"), reservation.ErrState)
	require.NoError(t, m.StopService("hns"))

	// A persistent reservation that came first keeps its place: after the boot the service has less.
	p := m.Process("alice", machine.Elevated)
	_, err := p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("50010"), "")
	require.NoError(t, err)
	require.ErrorIs(t, m.StartService("hns"), reservation.ErrInUse)
	require.Empty(t, rows(t, m, machine.TCP), "all holds or none")
	require.NoError(t, m.Reboot())
	require.Equal(t, []machine.Row{row(machine.UDP, "50010", false)}, rows(t, m, machine.UDP))
	require.Equal(t, []machine.Row{row(machine.TCP, "50000-50059", true)}, rows(t, m, machine.TCP))
	require.Contains(t, dump(t, m), "service hns, running, refused: exclude udp 50000-50059: in use")
}

func TestServicesThatCannotBe(t *testing.T) {
	m := machinetest.New(t)
	for name, s := range map[string]machine.Service{
		"no name":                  {},
		"no ports":                 {Name: "a", Holds: []machine.Hold{{Protocol: machine.TCP}}},
		"past the last port":       {Name: "a", Holds: []machine.Hold{{Protocol: machine.TCP, First: 65535, Count: 2}}},
		"no protocol":              {Name: "a", Holds: []machine.Hold{{First: 1, Count: 1}}},
		"exclusion without place":  {Name: "a", Holds: []machine.Hold{{Protocol: machine.TCP, Count: 1, Administered: true}}},
		"exclusion of no protocol": {Name: "a", Holds: []machine.Hold{{First: 1, Count: 1, Administered: true}}},
		"control character":        {Name: "\x1b[2J", Holds: []machine.Hold{{Protocol: machine.TCP, First: 1, Count: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := dump(t, m)
			require.ErrorIs(t, m.Install(s), reservation.ErrInvalid)
			require.Equal(t, before, dump(t, m))
		})
	}
	require.NoError(t, m.Install(machine.HTTPService(80)))
	require.ErrorIs(t, m.Install(machine.HTTPService(81)), reservation.ErrInvalid, "each name once")
	require.ErrorIs(t, m.StopService("ghost"), reservation.ErrNotFound)
	require.ErrorIs(t, m.StartService("ghost"), reservation.ErrNotFound)
}
