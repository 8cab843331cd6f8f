package winsock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

func TestOptionsAreKept(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	unsigned := ^uint32(winsock.SO_REUSEADDR) // how C programs that were translated by hand spell it
	for _, row := range []struct {
		name              string
		level, opt        int
		initial, set, got int
	}{
		{"SO_REUSEADDR", winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 0, 7, 1},
		{"SO_EXCLUSIVEADDRUSE", winsock.SOL_SOCKET, winsock.SO_EXCLUSIVEADDRUSE, 0, 1, 1},
		{"SO_EXCLUSIVEADDRUSE as unsigned", winsock.SOL_SOCKET, int(unsigned), 0, 1, 1},
		{"SO_BROADCAST", winsock.SOL_SOCKET, winsock.SO_BROADCAST, 0, 1, 1},
		{"SO_RCVTIMEO", winsock.SOL_SOCKET, winsock.SO_RCVTIMEO, 0, 250, 250},
		{"SO_SNDTIMEO", winsock.SOL_SOCKET, winsock.SO_SNDTIMEO, 0, 250, 250},
		{"SO_RANDOMIZE_PORT", winsock.SOL_SOCKET, winsock.SO_RANDOMIZE_PORT, 0, 1, 1},
		{"SO_PORT_SCALABILITY", winsock.SOL_SOCKET, winsock.SO_PORT_SCALABILITY, 0, 1, 1},
		{"SO_REUSE_UNICASTPORT", winsock.SOL_SOCKET, winsock.SO_REUSE_UNICASTPORT, 0, 1, 1},
		{"SO_RCVBUF", winsock.SOL_SOCKET, winsock.SO_RCVBUF, 65536, 1 << 20, 1 << 20},
		{"IPV6_V6ONLY", winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 1, 0, 0},
		{"IP_TTL", winsock.IPPROTO_IP, winsock.IP_TTL, 128, 1, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := open(t, p, winsock.AF_INET6, winsock.SOCK_DGRAM, 0)
			value, err := p.GetsockoptInt(s, row.level, row.opt)
			require.NoError(t, err)
			require.Equal(t, row.initial, value)
			require.NoError(t, p.SetsockoptInt(s, row.level, row.opt, row.set))
			value, err = p.GetsockoptInt(s, row.level, row.opt)
			require.NoError(t, err)
			require.Equal(t, row.got, value)

			memory := [8]byte{}
			length := int32(len(memory))
			require.NoError(t, p.Getsockopt(s, int32(row.level), int32(row.opt), &memory[0], &length))
			require.EqualValues(t, 4, length)
			require.NoError(t, p.Setsockopt(s, int32(row.level), int32(row.opt), &memory[0], length))
			again, err := p.GetsockoptInt(s, row.level, row.opt)
			require.NoError(t, err)
			require.Equal(t, value, again)
		})
	}
}

func TestOptionsAreRefused(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	set := func(s winsock.Handle, level, opt, value int) error { return p.SetsockoptInt(s, level, opt, value) }
	get := func(s winsock.Handle, level, opt int) error {
		_, err := p.GetsockoptInt(s, level, opt)
		return err
	}
	require.Equal(t, winsock.WSAENOPROTOOPT, set(udp(t, p), winsock.SOL_SOCKET, 0x7777, 1))
	require.Equal(t, winsock.WSAENOPROTOOPT, set(udp(t, p), 99, winsock.SO_REUSEADDR, 1))
	require.Equal(t, winsock.WSAENOPROTOOPT, set(udp(t, p), winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 0), "an IPv4 socket")
	require.Equal(t, winsock.WSAENOPROTOOPT, set(udp(t, p), winsock.IPPROTO_TCP, winsock.TCP_NODELAY, 1))
	require.Equal(t, winsock.WSAENOPROTOOPT, set(tcp(t, p), winsock.SOL_SOCKET, winsock.SO_BROADCAST, 1))
	require.Equal(t, winsock.WSAENOPROTOOPT, get(udp(t, p), winsock.SOL_SOCKET, 0x7777))
	require.Equal(t, winsock.WSAENOPROTOOPT, get(tcp(t, p), winsock.IPPROTO_UDP, winsock.UDP_NOCHECKSUM))

	s := udp(t, p)
	require.NoError(t, set(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1))
	require.Equal(t, winsock.WSAEINVAL, set(s, winsock.SOL_SOCKET, winsock.SO_EXCLUSIVEADDRUSE, 1), "one or the other")
	s = udp(t, p)
	require.NoError(t, set(s, winsock.SOL_SOCKET, winsock.SO_EXCLUSIVEADDRUSE, 1))
	require.Equal(t, winsock.WSAEINVAL, set(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1), "one or the other")

	late := open(t, p, winsock.AF_INET6, winsock.SOCK_DGRAM, 0)
	require.NoError(t, p.Bind(late, &winsock.SockaddrInet6{}))
	require.Equal(t, winsock.WSAEINVAL, set(late, winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 0))
	require.Equal(t, winsock.WSAEINVAL, set(late, winsock.SOL_SOCKET, winsock.SO_EXCLUSIVEADDRUSE, 1))
	require.NoError(t, set(late, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1), "too late to matter")
	require.NoError(t, set(late, winsock.SOL_SOCKET, winsock.SO_BROADCAST, 1), "never too late")

	value := [4]byte{}
	length := int32(3)
	require.Equal(t, winsock.WSAEFAULT, p.Setsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, nil, 4))
	require.Equal(t, winsock.WSAEFAULT, p.Setsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, &value[0], 3))
	require.Equal(t, winsock.WSAEFAULT, p.Setsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, &value[0], -1))
	require.Equal(t, winsock.WSAEFAULT, p.Getsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, nil, &length))
	require.Equal(t, winsock.WSAEFAULT, p.Getsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, &value[0], nil))
	require.Equal(t, winsock.WSAEFAULT, p.Getsockopt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, &value[0], &length))
	require.NoError(t, p.SetsockoptLinger(s, winsock.SOL_SOCKET, winsock.SO_LINGER, &winsock.Linger{Onoff: 1, Linger: 5}))
	require.Equal(t, winsock.WSAEFAULT, p.SetsockoptLinger(s, winsock.SOL_SOCKET, winsock.SO_LINGER, nil))
}

// Neither option buys access to a reserved port.
func TestReuseBuysNoReservedPort(t *testing.T) {
	m := newMachine(t)
	administer(t, m)
	p := start(t, m, machine.Elevated)
	_, err := acquire(p, udp(t, p), 40000, 2)
	require.NoError(t, err)
	for _, option := range []int{winsock.SO_REUSEADDR, winsock.SO_EXCLUSIVEADDRUSE} {
		for _, port := range []int{40000, 42000} {
			s := udp(t, p)
			require.NoError(t, p.SetsockoptInt(s, winsock.SOL_SOCKET, option, 1))
			require.Equal(t, winsock.WSAEACCES, bind4(p, s, port))
		}
	}
}

// The door passes the options on; the machine's own tests go through the whole matrix.
func TestOptionsReachTheNetwork(t *testing.T) {
	m := newMachine(t)
	mine, theirs := startOf(t, m, "ada", machine.Plain), startOf(t, m, "bob", machine.Plain)
	bindWith := func(p *winsock.Process, option, port int) error {
		s := udp(t, p)
		if option != 0 {
			require.NoError(t, p.SetsockoptInt(s, winsock.SOL_SOCKET, option, 1))
		}
		return bind4(p, s, port)
	}
	const plain, reuse, exclusive = 0, winsock.SO_REUSEADDR, winsock.SO_EXCLUSIVEADDRUSE
	for i, row := range []struct {
		first, second int
		by            *winsock.Process
		want          error
	}{
		{plain, plain, mine, winsock.WSAEADDRINUSE},
		{plain, reuse, mine, winsock.WSAEACCES},
		{reuse, plain, mine, winsock.WSAEADDRINUSE},
		{reuse, reuse, mine, nil},
		{exclusive, plain, mine, winsock.WSAEADDRINUSE},
		{exclusive, reuse, mine, winsock.WSAEACCES},
		{exclusive, exclusive, mine, winsock.WSAEADDRINUSE},
		{plain, reuse, theirs, winsock.WSAEACCES},
		{reuse, reuse, theirs, nil},
	} {
		require.NoError(t, bindWith(mine, row.first, 45000+i))
		require.Equal(t, row.want, bindWith(row.by, row.second, 45000+i), "row %d", i)
	}
}

func TestBroadcastReachesAllWhoMaySendIt(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	server := udp(t, p)
	require.NoError(t, bind4(p, server, 0))
	to := &winsock.SockaddrInet4{Port: localPort(t, p, server), Addr: [4]byte{255, 255, 255, 255}}
	client := udp(t, p)
	require.Equal(t, winsock.WSAEACCES, p.Sendto(client, []byte("hi"), 0, to))
	require.NoError(t, p.SetsockoptInt(client, winsock.SOL_SOCKET, winsock.SO_BROADCAST, 1))
	require.NoError(t, p.Sendto(client, []byte("hi"), 0, to))
	n, _, err := p.Recvfrom(server, make([]byte, 10), 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
