package winsock_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// What Microsoft's page of SIO_ASSOCIATE_PORT_RESERVATION, its users and the users of bind agree on,
// row by row.
func TestBindFollowsTheReservation(t *testing.T) {
	const first, count = 40000, 4
	for _, row := range []struct {
		name       string
		associated bool
		before     func(t *testing.T, p *winsock.Process, token uint64) // what happened already
		port       int
		want       winsock.Errno
		wantPort   [2]int // first and last that it may be
	}{
		{name: "associated, port 0: a free port of the block", associated: true, wantPort: [2]int{first, first + count - 1}},
		{name: "associated, port 0, one taken: another of the block", associated: true, before: bindMembers(1), wantPort: [2]int{first + 1, first + count - 1}},
		{name: "associated, port 0, block full", associated: true, before: bindMembers(count), want: winsock.WSAENOBUFS},
		{name: "associated, port of the block: that port", associated: true, port: first + 2, wantPort: [2]int{first + 2, first + 2}},
		{name: "associated, port of the block that a sibling has", associated: true, before: bindMembers(1), port: first, want: winsock.WSAEADDRINUSE},
		{name: "associated, port outside the block", associated: true, port: first + count, want: winsock.WSAEINVAL},
		{name: "associated, port of somebody else's block", associated: true, port: 41000, want: winsock.WSAEACCES},
		{name: "not associated, port of a runtime reservation of the same process", port: first, want: winsock.WSAEACCES},
		{name: "not associated, port of a persistent reservation", port: 42000, want: winsock.WSAEACCES},
		{name: "not associated, port of an exclusion", port: 43000, wantPort: [2]int{43000, 43000}},
		{name: "not associated, port 0: never of a block", wantPort: [2]int{49152, 65535}},
		{name: "not associated, free port", port: 44000, wantPort: [2]int{44000, 44000}},
	} {
		for _, protocol := range []int{winsock.IPPROTO_UDP, winsock.IPPROTO_TCP} {
			t.Run(row.name, func(t *testing.T) {
				m := newMachine(t)
				administer(t, m)
				other := start(t, m, machine.Plain)
				_, err := acquire(other, open(t, other, winsock.AF_INET, 0, protocol), 41000, 1)
				require.NoError(t, err)

				p := start(t, m, machine.Plain)
				held, err := acquire(p, open(t, p, winsock.AF_INET, 0, protocol), first, count)
				require.NoError(t, err)
				require.Equal(t, instance{first, count, held.token}, held)
				if row.before != nil {
					row.before(t, p, held.token)
				}
				s := open(t, p, winsock.AF_INET, 0, protocol)
				if row.associated {
					require.NoError(t, associate(p, s, held.token))
				}
				err = bind4(p, s, row.port)
				if row.want != 0 {
					require.Equal(t, row.want, err, "cause: %v", p.LastCause())
					require.Equal(t, row.want, p.WSAGetLastError())
					_, err = p.Getsockname(s)
					require.Equal(t, winsock.WSAEINVAL, err, "a socket whose bind failed is not bound")
					return
				}
				require.NoError(t, err)
				got := localPort(t, p, s)
				require.GreaterOrEqual(t, got, row.wantPort[0])
				require.LessOrEqual(t, got, row.wantPort[1])
				require.Equal(t, winsock.WSAEINVAL, bind4(p, s, 0), "a second bind")
			})
		}
	}
}

// administer makes a persistent reservation of 42000-42009 and an exclusion of 43000-43009.
func administer(t *testing.T, m *machine.Machine) {
	t.Helper()
	admin := m.Process("root", machine.Elevated)
	defer admin.Exit()
	for _, protocol := range []reservation.Protocol{reservation.UDP, reservation.TCP} {
		_, err := admin.CreatePersistent(context.Background(), protocol, pool.MustParseRange("42000+10"), "")
		require.NoError(t, err)
		err = admin.AddExclusion(context.Background(), protocol, pool.MustParseRange("43000+10"), reservation.PersistentStore)
		require.NoError(t, err)
	}
}

// bindMembers binds so many sockets of both protocols, as far as they take the token, from the block.
func bindMembers(count int) func(*testing.T, *winsock.Process, uint64) {
	return func(t *testing.T, p *winsock.Process, token uint64) {
		for range count {
			s := udp(t, p)
			if associate(p, s, token) != nil {
				require.NoError(t, p.Closesocket(s))
				s = tcp(t, p)
				require.NoError(t, associate(p, s, token))
			}
			require.NoError(t, bind4(p, s, 0))
		}
	}
}
