package machine_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// Microsoft's tables, in the form of its page: rows are the first bind, columns the second; W is the
// wildcard, S the same specific address; U is in use, A is access denied.
const (
	oneUser = `
		             default-W default-S reuse-W reuse-S exclusive-W exclusive-S
		default-W        U        ok        A      ok        U           ok
		default-S        ok       U         ok     A         U           U
		reuse-W          U        ok        ok     ok        U           ok
		reuse-S          ok       U         ok     ok        U           U
		exclusive-W      U        A         A      A         U           A
		exclusive-S      ok       U         ok     A         U           U`
	twoUsers = `
		             default-W default-S reuse-W reuse-S exclusive-W exclusive-S
		default-W        U        A         A      A         U           A
		default-S        ok       U         ok     A         U           U
		reuse-W          U        A         ok     ok        U           A
		reuse-S          ok       U         ok     ok        U           U
		exclusive-W      U        A         A      A         U           A
		exclusive-S      ok       U         ok     A         U           U`
)

var outcomes = map[string]error{"ok": nil, "U": reservation.ErrInUse, "A": reservation.ErrDenied}

// A cell is one field of a table.
type cell struct{ first, second, outcome string }

func cells(t *testing.T, table string) []cell {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Fields(lines[0])
	var all []cell
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		require.Len(t, fields, len(columns)+1)
		for i, outcome := range fields[1:] {
			require.Contains(t, outcomes, outcome)
			all = append(all, cell{fields[0], columns[i], outcome})
		}
	}
	require.Len(t, all, 36)
	return all
}

// A stack is a kind of socket, with its wildcard and a specific address.
type stack struct {
	name               string
	family             reservation.Family
	dual               bool
	wildcard, specific string
}

var stacks = []stack{
	{"IPv4", reservation.IPv4, false, "0.0.0.0", "127.0.0.1"},
	{"IPv6", reservation.IPv6, false, "::", "::1"},
	{"dual mode", reservation.IPv6, true, "::", "2001:db8::10"},
	{"dual mode with mapped addresses", reservation.IPv6, true, "::ffff:0.0.0.0", "::ffff:192.0.2.10"},
}

// open returns a socket of the stack with the options of a row or column, and its address.
func (s stack) open(t *testing.T, p *machine.Process, protocol machine.Protocol, claim string) (reservation.NetworkSocket, netip.Addr) {
	mode, scope, _ := strings.Cut(claim, "-")
	socket, err := p.OpenSocket(s.family, protocol)
	require.NoError(t, err)
	require.NoError(t, socket.SetOptions(reservation.SocketOptions{
		ReuseAddress: mode == "reuse", Exclusive: mode == "exclusive", DualMode: s.dual,
	}))
	if scope == "W" {
		return socket, netip.MustParseAddr(s.wildcard)
	}
	return socket, netip.MustParseAddr(s.specific)
}

func TestMatrix(t *testing.T) {
	for users, table := range map[string]string{"one user": oneUser, "two users": twoUsers} {
		for _, s := range stacks {
			for _, c := range cells(t, table) {
				t.Run(fmt.Sprintf("%s/%s/%s then %s", users, s.name, c.first, c.second), func(t *testing.T) {
					m := machinetest.New(t)
					first, second := m.Process("alice", machine.Plain), m.Process("alice", machine.Elevated)
					if users == "two users" {
						second = m.Process("bob", machine.Elevated)
					}
					for _, protocol := range []machine.Protocol{machine.TCP, machine.UDP} {
						one, address := s.open(t, first, protocol, c.first)
						require.NoError(t, one.Bind(netip.AddrPortFrom(address, 5000)))
						two, address := s.open(t, second, protocol, c.second)
						checkOutcome(t, c.outcome, two.Bind(netip.AddrPortFrom(address, 5000)))
						require.NoError(t, one.Close())
						require.NoError(t, two.Close())
					}
				})
			}
		}
	}
}

func checkOutcome(t *testing.T, outcome string, err error) {
	t.Helper()
	if want := outcomes[outcome]; want != nil {
		require.ErrorIs(t, err, want)
		return
	}
	require.NoError(t, err)
}

// TestFamilies tries two default sockets of one user whose families or addresses differ: only where
// they meet in a family the table counts.
func TestFamilies(t *testing.T) {
	type place struct {
		family  reservation.Family
		dual    bool
		address string
	}
	v4 := func(address string) place { return place{reservation.IPv4, false, address} }
	v6 := func(address string) place { return place{reservation.IPv6, false, address} }
	dual := func(address string) place { return place{reservation.IPv6, true, address} }
	tests := []struct {
		first, second place
		outcome       string
	}{
		{v4("0.0.0.0"), v6("::"), "ok"},
		{v6("::"), v4("0.0.0.0"), "ok"},
		{v4("127.0.0.1"), v6("::1"), "ok"},
		{v4("0.0.0.0"), dual("::"), "U"},
		{v6("::"), dual("::"), "U"},
		{dual("::"), v4("0.0.0.0"), "U"},
		{dual("::"), v6("::"), "U"},
		{dual("::"), dual("::"), "U"},
		{dual("::"), v4("127.0.0.1"), "ok"}, // wildcard first, then specific
		{v4("127.0.0.1"), dual("::"), "ok"},
		{v4("127.0.0.1"), dual("::ffff:127.0.0.1"), "U"},
		{dual("::ffff:127.0.0.1"), v4("127.0.0.1"), "U"},
		{dual("::ffff:127.0.0.1"), v6("::1"), "ok"},
		{dual("::ffff:0.0.0.0"), v4("0.0.0.0"), "U"},
		{dual("::ffff:0.0.0.0"), v6("::"), "ok"},
		{dual("::ffff:0.0.0.0"), dual("::"), "U"},
		{dual("::1"), v4("0.0.0.0"), "ok"},
		{v4("127.0.0.1"), v4("127.0.0.2"), "ok"},
		{v4("127.0.0.1"), v4("192.0.2.10"), "ok"},
		{v6("::1"), v6("2001:db8::10"), "ok"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%v then %v", test.first, test.second), func(t *testing.T) {
			p := machinetest.New(t).Process("alice", machine.Plain)
			defer p.Exit()
			bind := func(at place) error {
				s, err := p.OpenSocket(at.family, machine.UDP)
				require.NoError(t, err)
				require.NoError(t, s.SetOptions(reservation.SocketOptions{DualMode: at.dual}))
				return s.Bind(netip.AddrPortFrom(netip.MustParseAddr(at.address), 5000))
			}
			require.NoError(t, bind(test.first))
			checkOutcome(t, test.outcome, bind(test.second))
		})
	}
}

// A dual mode bind has to pass on both families, and the table of two users counts between each pair.
func TestDualModePassesOnBothFamiliesOrNone(t *testing.T) {
	m := machinetest.New(t)
	alice, bob := m.Process("alice", machine.Plain), m.Process("bob", machine.Plain)
	defer alice.Exit()
	defer bob.Exit()
	exclusive, err := alice.OpenSocket(reservation.IPv4, machine.TCP)
	require.NoError(t, err)
	require.NoError(t, exclusive.SetOptions(reservation.SocketOptions{Exclusive: true}))
	require.NoError(t, exclusive.Bind(netip.MustParseAddrPort("0.0.0.0:5000")))

	s, err := bob.OpenSocket(reservation.IPv6, machine.TCP)
	require.NoError(t, err)
	require.NoError(t, s.SetOptions(reservation.SocketOptions{ReuseAddress: true, DualMode: true}))
	require.ErrorIs(t, s.Bind(netip.MustParseAddrPort("[::]:5000")), reservation.ErrDenied)
	require.False(t, s.LocalAddress().IsValid(), "nothing is bound after a refusal")
	require.NoError(t, s.Bind(netip.MustParseAddrPort("[::1]:5000")), "IPv6 is free")
}

func TestProtocolsDoNotMeet(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	for _, protocol := range []machine.Protocol{machine.TCP, machine.UDP} {
		s, err := p.OpenSocket(reservation.IPv4, protocol)
		require.NoError(t, err)
		require.NoError(t, s.SetOptions(reservation.SocketOptions{Exclusive: true}))
		require.NoError(t, s.Bind(netip.MustParseAddrPort("0.0.0.0:5000")))
	}
}

// A connection that an exclusive listener accepted keeps the port after the listener has closed;
// any other does not.
func TestConnectionsKeepThePortOfAnExclusiveListener(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		t.Run(fmt.Sprintf("exclusive %t", exclusive), func(t *testing.T) {
			p := machinetest.New(t).Process("alice", machine.Plain)
			defer p.Exit()
			listener := openBound(t, p, machine.TCP, "0.0.0.0:5000", reservation.SocketOptions{Exclusive: exclusive})
			require.NoError(t, listener.Listen(1))
			client := openBound(t, p, machine.TCP, "0.0.0.0:6000", reservation.SocketOptions{})
			require.NoError(t, client.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:5000")))
			connection, err := listener.Accept(t.Context())
			require.NoError(t, err)
			require.NoError(t, listener.Close())

			next, err := p.OpenSocket(reservation.IPv4, machine.TCP)
			require.NoError(t, err)
			bind := func() error { return next.Bind(netip.MustParseAddrPort("0.0.0.0:5000")) }
			if exclusive {
				require.ErrorIs(t, bind(), reservation.ErrInUse)
				require.NoError(t, connection.Close())
			}
			require.NoError(t, bind())
		})
	}
}

// openBound returns a bound IPv4 or IPv6 socket, by the address.
func openBound(t testing.TB, p *machine.Process, protocol machine.Protocol, address string, options reservation.SocketOptions) reservation.NetworkSocket {
	t.Helper()
	local := netip.MustParseAddrPort(address)
	family := reservation.IPv6
	if local.Addr().Is4() {
		family = reservation.IPv4
	}
	s, err := p.OpenSocket(family, protocol)
	require.NoError(t, err)
	require.NoError(t, s.SetOptions(options))
	require.NoError(t, s.Bind(local))
	return s
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}
