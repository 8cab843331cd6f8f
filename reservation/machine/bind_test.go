package machine_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// A handle is both halves of a socket, as a door to Winsock keeps them.
type handle struct {
	t        testing.TB
	endpoint reservation.Endpoint
	socket   reservation.NetworkSocket
}

func newHandle(t testing.TB, p *machine.Process, protocol machine.Protocol) *handle {
	t.Helper()
	endpoint, err := p.API().Open(context.Background(), protocol)
	require.NoError(t, err)
	socket, err := p.Network().OpenSocket(reservation.IPv4, protocol)
	require.NoError(t, err)
	return &handle{t, endpoint, socket}
}

// bind binds to the IPv4 wildcard.
func (h *handle) bind(port uint16) (uint16, error) {
	return reservation.BindSocket(context.Background(), h.endpoint, h.socket, netip.AddrPortFrom(netip.IPv4Unspecified(), port))
}

func (h *handle) acquire(first uint16, count int) reservation.Reservation {
	h.t.Helper()
	r, err := h.endpoint.Acquire(context.Background(), reservation.Request{First: first, Count: count})
	require.NoError(h.t, err)
	return r
}

func (h *handle) associate(token reservation.Token) *handle {
	h.t.Helper()
	require.NoError(h.t, h.endpoint.Associate(context.Background(), token))
	return h
}

// TestBind goes through what binds to reserved ports meet. Each row starts with alice's runtime
// reservation of UDP 40000-40002 and its token, and an elevated persistent one of 41000-41002.
func TestBind(t *testing.T) {
	type scene struct {
		*machine.Machine
		alice, admin, bob   *machine.Process
		runtime, persistent reservation.Token
	}
	open := func(t *testing.T, p *machine.Process) *handle { return newHandle(t, p, machine.UDP) }
	tests := []struct {
		name string
		bind func(t *testing.T, s scene) (uint16, error)
		port uint16 // that the bind gets
		err  error
	}{
		{"associated, port 0: a free port of the block", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.alice).associate(s.runtime).bind(0)
		}, 40000, nil},
		{"associated, port 0, the first port bound: the next one", func(t *testing.T, s scene) (uint16, error) {
			_, err := open(t, s.alice).associate(s.runtime).bind(40000)
			require.NoError(t, err)
			return open(t, s.alice).associate(s.runtime).bind(0)
		}, 40001, nil},
		{"associated, port 0, the block full", func(t *testing.T, s scene) (uint16, error) {
			for range 3 {
				_, err := open(t, s.alice).associate(s.runtime).bind(0)
				require.NoError(t, err)
			}
			return open(t, s.alice).associate(s.runtime).bind(0)
		}, 0, reservation.ErrExhausted},
		{"associated, a port of the block", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.alice).associate(s.runtime).bind(40002)
		}, 40002, nil},
		{"associated, a port that a sibling has: the sockets' rules", func(t *testing.T, s scene) (uint16, error) {
			_, err := open(t, s.alice).associate(s.runtime).bind(40002)
			require.NoError(t, err)
			return open(t, s.alice).associate(s.runtime).bind(40002)
		}, 0, reservation.ErrInUse},
		{"associated, siblings that reuse the address share the port", func(t *testing.T, s scene) (uint16, error) {
			for range 2 {
				h := open(t, s.alice).associate(s.runtime)
				require.NoError(t, h.socket.SetOptions(reservation.SocketOptions{ReuseAddress: true}))
				if _, err := h.bind(40002); err != nil {
					return 0, err
				}
			}
			return 40002, nil
		}, 40002, nil},
		{"associated, a port outside the block", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.alice).associate(s.runtime).bind(40003)
		}, 0, reservation.ErrInvalid},
		{"associated, a port of somebody else's block", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.alice).associate(s.runtime).bind(41000)
		}, 0, reservation.ErrDenied},
		{"associated with the persistent block, port 0", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.admin).associate(s.persistent).bind(0)
		}, 41000, nil},
		{"not associated, a runtime reservation", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.bob).bind(40001)
		}, 0, reservation.ErrDenied},
		{"not associated, the process's own runtime reservation", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.alice).bind(40001)
		}, 0, reservation.ErrDenied},
		{"not associated, a persistent reservation, elevated", func(t *testing.T, s scene) (uint16, error) {
			return open(t, s.admin).bind(41001)
		}, 0, reservation.ErrDenied},
		{"not associated, SO_REUSEADDR opens no reservation", func(t *testing.T, s scene) (uint16, error) {
			_, err := open(t, s.alice).associate(s.runtime).bind(40001)
			require.NoError(t, err)
			h := open(t, s.bob)
			require.NoError(t, h.socket.SetOptions(reservation.SocketOptions{ReuseAddress: true}))
			return h.bind(40001)
		}, 0, reservation.ErrDenied},
		{"not associated, an administered exclusion", func(t *testing.T, s scene) (uint16, error) {
			require.NoError(t, s.Install(machine.HNSService()))
			return open(t, s.bob).bind(50000)
		}, 50000, nil},
		{"two sockets that reuse the address share an excluded port", func(t *testing.T, s scene) (uint16, error) {
			require.NoError(t, s.Install(machine.HNSService()))
			for range 2 {
				h := open(t, s.bob)
				require.NoError(t, h.socket.SetOptions(reservation.SocketOptions{ReuseAddress: true}))
				if _, err := h.bind(50000); err != nil {
					return 0, err
				}
			}
			return 50000, nil
		}, 50000, nil},
		{"not associated, the other protocol's reservation", func(t *testing.T, s scene) (uint16, error) {
			return newHandle(t, s.bob, machine.TCP).bind(40001)
		}, 40001, nil},
		{"not associated, another program's port", func(t *testing.T, s scene) (uint16, error) {
			_, err := s.Occupy(machine.UDP, 42000, "dns.exe")
			require.NoError(t, err)
			return open(t, s.bob).bind(42000)
		}, 0, reservation.ErrInUse},
		{"a second bind", func(t *testing.T, s scene) (uint16, error) {
			h := open(t, s.bob)
			_, err := h.bind(42000)
			require.NoError(t, err)
			return h.bind(42001)
		}, 0, reservation.ErrState},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := machinetest.New(t)
			s := scene{Machine: m,
				alice: m.Process("alice", machine.Plain), admin: m.Process("alice", machine.Elevated), bob: m.Process("bob", machine.Administrator)}
			t.Cleanup(func() { s.alice.Exit(); s.admin.Exit(); s.bob.Exit() })
			s.runtime = open(t, s.alice).acquire(40000, 3).Token
			var err error
			s.persistent, err = s.admin.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("41000+3"), "")
			require.NoError(t, err)

			port, err := test.bind(t, s)
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.port, port)
		})
	}
}

// Port 0 never fails because of one port: a socket that keeps its port from others is passed over like
// any other, though an explicit bind would be denied.
func TestAutomaticPortsPassOverExclusiveSockets(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Plain)
	defer p.Exit()
	first := newHandle(t, p, machine.UDP)
	token := first.acquire(40000, 2).Token
	require.NoError(t, m.Steal(machine.UDP, 40000, 1)) // exclusive, on all addresses
	port, err := reservation.BindSocket(t.Context(), first.associate(token).endpoint, first.socket, netip.MustParseAddrPort("127.0.0.1:0"))
	require.NoError(t, err)
	require.EqualValues(t, 40001, port)
	next := newHandle(t, p, machine.UDP).associate(token)
	_, err = reservation.BindSocket(t.Context(), next.endpoint, next.socket, netip.MustParseAddrPort("127.0.0.1:40000"))
	require.ErrorIs(t, err, reservation.ErrDenied)
}

// Port 0 stays clear of blocks of every kind and of ports that sockets have.
func TestAutomaticPortsAvoidEverything(t *testing.T) {
	dynamic := pool.MustParseRange("50000+255")
	m := machinetest.NewFrom(t, machine.Config{Dynamic: map[machine.Protocol]machine.Range{machine.UDP: dynamic}})
	p := m.Process("alice", machine.Plain)
	defer p.Exit()
	require.NoError(t, m.Install(machine.HNSService())) // 50000-50059
	newHandle(t, p, machine.UDP).acquire(50060, 100)    // 50060-50159
	openBound(t, p, machine.UDP, "0.0.0.0:50160", reservation.SocketOptions{})
	taken := make(map[uint16]bool)
	for range 255 - 160 - 1 {
		port, err := newHandle(t, p, machine.UDP).bind(0)
		require.NoError(t, err)
		require.Greater(t, port, uint16(50160))
		require.False(t, taken[port])
		taken[port] = true
	}
}

// A listener on several sockets, as MsQuic has one for each processor, is bound by one token.
func TestSocketsOfOneToken(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("quic", machine.Plain)
	defer p.Exit()
	first := newHandle(t, p, machine.UDP)
	token := first.acquire(4433, 1).Token
	for _, h := range []*handle{first, newHandle(t, p, machine.UDP), newHandle(t, p, machine.UDP)} {
		require.NoError(t, h.socket.SetOptions(reservation.SocketOptions{ReuseAddress: true}))
		port, err := h.associate(token).bind(4433)
		require.NoError(t, err)
		require.EqualValues(t, 4433, port)
		require.EqualValues(t, 4433, h.socket.LocalAddress().Port())
	}
	// A second listener on the port finds it taken, whoever asks.
	_, err := newHandle(t, p, machine.UDP).endpoint.Acquire(t.Context(), reservation.Request{First: 4433, Count: 1})
	require.ErrorIs(t, err, reservation.ErrInUse)
}

// Acquire and create see the sockets of the whole machine, with the names of their programs.
func TestSocketsStandInTheWayOfBlocks(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	other, err := m.Occupy(machine.UDP, 5353, "mdns.exe")
	require.NoError(t, err)

	_, err = p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("5350-5359"), "")
	var refused *reservation.Error
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.Equal(t, "mdns.exe", refused.Conflict.Socket.Program)
	require.Equal(t, other.PID(), refused.Conflict.Socket.PID)

	openBound(t, p, machine.UDP, "[::1]:6000", reservation.SocketOptions{}) // a socket without an endpoint counts too
	_, err = newHandle(t, p, machine.UDP).endpoint.Acquire(t.Context(), reservation.Request{First: 6000, Count: 1})
	require.ErrorIs(t, err, reservation.ErrInUse)

	require.NoError(t, m.Vacate(machine.UDP, 5353))
	_, err = p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("5350-5359"), "")
	require.NoError(t, err)
}
