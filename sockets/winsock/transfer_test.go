package winsock_test

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/hold"
	"github.com/berthkit/berth/sockets/winsock"
)

// onEachNetwork runs a test on the simulated network and on this computer's, there with runtime
// reservations that only the engine knows of, and with such that real sockets hold.
func onEachNetwork(t *testing.T, test func(t *testing.T, p *winsock.Process)) {
	t.Helper()
	t.Run("simulated", func(t *testing.T) { test(t, start(t, newMachine(t), machine.Plain)) })
	t.Run("real", func(t *testing.T) { test(t, startHere(t, nil)) })
	t.Run("real and held", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows holds reservations itself")
		}
		test(t, startHere(t, hold.New()))
	})
}

// startHere runs a program on this computer's network. The keeper may be nil.
func startHere(t testing.TB, keeper reservation.Keeper) *winsock.Process {
	t.Helper()
	host, err := reservation.New(context.Background(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), BootID: "test", Keeper: keeper,
	})
	require.NoError(t, err)
	p := winsock.New(host.Process(reservation.Caller{}), winsock.RealNetwork())
	t.Cleanup(func() {
		require.NoError(t, p.Exit())
		require.NoError(t, host.Close())
		requireNoGoroutines(t)
	})
	return p
}

// requireNoGoroutines waits until no goroutine is inside the package any more.
func requireNoGoroutines(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		var stacks bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&stacks, 1))
		if !strings.Contains(stacks.String(), "berth/sockets/winsock.(") {
			return
		}
		require.True(t, time.Now().Before(deadline), "leaked goroutines:\n%s", &stacks)
	}
}

// bound returns a socket bound to a free port of the loopback address.
func bound(t *testing.T, p *winsock.Process, s winsock.Handle) (winsock.Handle, int) {
	t.Helper()
	require.NoError(t, p.Bind(s, loopback(0)))
	return s, localPort(t, p, s)
}

func TestDatagramArrives(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		server, port := bound(t, p, udp(t, p))
		client := udp(t, p)
		require.NoError(t, p.Sendto(client, []byte("hello"), 0, loopback(port)))
		buffer := make([]byte, 100)
		n, from, err := p.Recvfrom(server, buffer, 0)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buffer[:n]))
		require.Equal(t, loopback(localPort(t, p, client)), from, "sendto has bound the client")

		require.NoError(t, p.Sendto(server, nil, 0, from), "an empty datagram is one, too")
		n, from, err = p.Recvfrom(client, buffer, 0)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, loopback(port), from)
	})
}

// What is bound here is bound on this computer: package net reaches it.
func TestDatagramArrivesFromAnotherLibrary(t *testing.T) {
	p := startHere(t, nil)
	s := udp(t, p)
	held, err := acquire(p, s, 0, 8)
	require.NoError(t, err)
	require.NoError(t, associate(p, s, held.token))
	require.NoError(t, p.Bind(s, loopback(0)))
	port := localPort(t, p, s)
	require.GreaterOrEqual(t, port, int(held.first))
	require.Less(t, port, int(held.first+held.count))

	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("hello"))
	require.NoError(t, err)
	buffer := make([]byte, 100)
	n, from, err := p.Recvfrom(s, buffer, 0)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buffer[:n]))
	require.NoError(t, p.Sendto(s, []byte("and back"), 0, from))
	n, err = conn.Read(buffer)
	require.NoError(t, err)
	require.Equal(t, "and back", string(buffer[:n]))
}

// Connect and sendto bind a socket that is not bound; an associated one from its block.
func TestImplicitBindDrawsFromTheBlock(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		_, port := bound(t, p, udp(t, p))
		listener, tcpPort := bound(t, p, tcp(t, p))
		require.NoError(t, p.Listen(listener, winsock.SOMAXCONN))
		for name, send := range map[string]func(winsock.Handle) error{
			"connect": func(s winsock.Handle) error { return p.Connect(s, loopback(port)) },
			"sendto":  func(s winsock.Handle) error { return p.Sendto(s, []byte("x"), 0, loopback(port)) },
		} {
			s := udp(t, p)
			held, err := acquire(p, s, 0, 4)
			require.NoError(t, err)
			require.NoError(t, associate(p, s, held.token))
			require.NoError(t, send(s), name)
			got := localPort(t, p, s)
			require.GreaterOrEqual(t, got, int(held.first), name)
			require.Less(t, got, int(held.first+held.count), name)
			require.Equal(t, winsock.WSAEINVAL, p.Bind(s, loopback(0)), name)
		}
		s := tcp(t, p)
		held, err := acquire(p, s, 0, 4)
		require.NoError(t, err)
		require.NoError(t, associate(p, s, held.token))
		require.NoError(t, p.Connect(s, loopback(tcpPort)))
		require.GreaterOrEqual(t, localPort(t, p, s), int(held.first))
		require.Less(t, localPort(t, p, s), int(held.first+held.count))
	})
}

func TestConnectedUDPHearsItsPeerOnly(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		a, aPort := bound(t, p, udp(t, p))
		b, bPort := bound(t, p, udp(t, p))
		stranger, _ := bound(t, p, udp(t, p))
		require.NoError(t, p.Connect(a, loopback(bPort)))
		peer, err := p.Getpeername(a)
		require.NoError(t, err)
		require.Equal(t, loopback(bPort), peer)

		require.NoError(t, p.Sendto(stranger, []byte("spam"), 0, loopback(aPort)))
		require.NoError(t, p.Sendto(b, []byte("ham"), 0, loopback(aPort)))
		buffer := make([]byte, 100)
		n, from, err := p.Recvfrom(a, buffer, 0)
		require.NoError(t, err)
		require.Equal(t, "ham", string(buffer[:n]))
		require.Equal(t, loopback(bPort), from)
		require.NoError(t, p.Sendto(a, []byte("eggs"), 0, nil))
		n, _, err = p.Recvfrom(b, buffer, 0)
		require.NoError(t, err)
		require.Equal(t, "eggs", string(buffer[:n]))
	})
}

func TestStreamCarriesBothWays(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		listener, port := bound(t, p, tcp(t, p))
		require.NoError(t, p.Listen(listener, winsock.SOMAXCONN))
		listening, err := p.GetsockoptInt(listener, winsock.SOL_SOCKET, winsock.SO_ACCEPTCONN)
		require.NoError(t, err)
		require.Equal(t, 1, listening)
		client := tcp(t, p)
		require.NoError(t, p.Connect(client, loopback(port)))
		require.Equal(t, winsock.WSAEISCONN, p.Connect(client, loopback(port)))
		require.Equal(t, winsock.WSAEISCONN, p.Listen(client, 1))
		server, peer, err := p.Accept(listener)
		require.NoError(t, err)
		require.Equal(t, loopback(localPort(t, p, client)), peer)
		require.Equal(t, port, localPort(t, p, server))
		require.Equal(t, winsock.WSAEINVAL, associate(p, server, 1), "a socket that was accepted is bound")

		buffer := make([]byte, 100)
		require.NoError(t, p.Sendto(client, []byte("hello"), 0, nil))
		n, _, err := p.Recvfrom(server, buffer, 0)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buffer[:n]))
		require.NoError(t, p.Sendto(server, []byte("and back"), 0, nil))
		n, _, err = p.Recvfrom(client, buffer, 0)
		require.NoError(t, err)
		require.Equal(t, "and back", string(buffer[:n]))

		require.NoError(t, p.Closesocket(server))
		n, _, err = p.Recvfrom(client, buffer, 0)
		require.NoError(t, err)
		require.Zero(t, n, "the end of the stream")
	})
}

func TestShutdownEndsOneDirection(t *testing.T) {
	p := startHere(t, nil)
	require.Equal(t, winsock.WSAENOTCONN, p.Shutdown(tcp(t, p), winsock.SHUT_WR))
	listener, port := bound(t, p, tcp(t, p))
	require.NoError(t, p.Listen(listener, 1))
	client := tcp(t, p)
	require.NoError(t, p.Connect(client, loopback(port)))
	server, _, err := p.Accept(listener)
	require.NoError(t, err)
	require.Equal(t, winsock.WSAEINVAL, p.Shutdown(client, 3))
	require.NoError(t, p.Shutdown(client, winsock.SHUT_WR))
	require.Equal(t, winsock.WSAESHUTDOWN, p.Sendto(client, []byte("x"), 0, nil))
	n, _, err := p.Recvfrom(server, make([]byte, 1), 0)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, p.Shutdown(server, winsock.SHUT_RD))
	_, _, err = p.Recvfrom(server, make([]byte, 1), 0)
	require.Equal(t, winsock.WSAESHUTDOWN, err)
}

func TestTransfersAreRefused(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		buffer := make([]byte, 10)
		_, port := bound(t, p, udp(t, p))
		closed, closedPort := bound(t, p, tcp(t, p))
		require.NoError(t, p.Closesocket(closed))
		receive := func(s winsock.Handle, flags int) error {
			_, _, err := p.Recvfrom(s, buffer, flags)
			return err
		}
		accept := func(s winsock.Handle) error {
			_, _, err := p.Accept(s)
			return err
		}
		for name, row := range map[string]struct {
			got  error
			want winsock.Errno
		}{
			"receive on an unbound UDP socket":      {receive(udp(t, p), 0), winsock.WSAEINVAL},
			"receive on an unconnected TCP socket":  {receive(tcp(t, p), 0), winsock.WSAENOTCONN},
			"receive with flags":                    {receive(udp(t, p), winsock.MSG_PEEK), winsock.WSAEOPNOTSUPP},
			"receive on no socket":                  {receive(1, 0), winsock.WSAENOTSOCK},
			"send without a peer":                   {p.Sendto(udp(t, p), buffer, 0, nil), winsock.WSAENOTCONN},
			"send on an unconnected TCP socket":     {p.Sendto(tcp(t, p), buffer, 0, loopback(port)), winsock.WSAENOTCONN},
			"send with flags":                       {p.Sendto(udp(t, p), buffer, winsock.MSG_OOB, loopback(port)), winsock.WSAEOPNOTSUPP},
			"send to port 0":                        {p.Sendto(udp(t, p), buffer, 0, loopback(0)), winsock.WSAEADDRNOTAVAIL},
			"send to an address of the other kind":  {p.Sendto(udp(t, p), buffer, 0, &winsock.SockaddrInet6{Port: port}), winsock.WSAEAFNOSUPPORT},
			"send to an address that is nil":        {p.Sendto(udp(t, p), buffer, 0, (*winsock.SockaddrInet4)(nil)), winsock.WSAEFAULT},
			"send more than a datagram holds":       {p.Sendto(udp(t, p), make([]byte, 1<<16), 0, loopback(port)), winsock.WSAEMSGSIZE},
			"broadcast without SO_BROADCAST":        {p.Sendto(udp(t, p), buffer, 0, &winsock.SockaddrInet4{Port: port, Addr: [4]byte{255, 255, 255, 255}}), winsock.WSAEACCES},
			"connect where nobody listens":          {p.Connect(tcp(t, p), loopback(closedPort)), winsock.WSAECONNREFUSED},
			"connect to port 0":                     {p.Connect(tcp(t, p), loopback(0)), winsock.WSAEADDRNOTAVAIL},
			"connect to nobody":                     {p.Connect(tcp(t, p), nil), winsock.WSAEFAULT},
			"listen on an unbound socket":           {p.Listen(tcp(t, p), 1), winsock.WSAEINVAL},
			"listen on a UDP socket":                {p.Listen(udp(t, p), 1), winsock.WSAEOPNOTSUPP},
			"accept on a UDP socket":                {accept(udp(t, p)), winsock.WSAEOPNOTSUPP},
			"accept on a socket that does not":      {accept(tcp(t, p)), winsock.WSAEINVAL},
			"bind to nothing":                       {p.Bind(udp(t, p), nil), winsock.WSAEFAULT},
			"bind to port -1":                       {p.Bind(udp(t, p), loopback(-1)), winsock.WSAEINVAL},
			"bind to port 65536":                    {p.Bind(udp(t, p), loopback(65536)), winsock.WSAEINVAL},
			"bind to an address of the other kind":  {p.Bind(udp(t, p), &winsock.SockaddrInet6{}), winsock.WSAEAFNOSUPPORT},
			"bind to somebody else's address":       {p.Bind(udp(t, p), &winsock.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}}), winsock.WSAEADDRNOTAVAIL},
			"shut down an unconnected socket":       {p.Shutdown(udp(t, p), winsock.SHUT_RD), winsock.WSAENOTCONN},
			"ask an unbound socket for its name":    {func() error { _, err := p.Getsockname(udp(t, p)); return err }(), winsock.WSAEINVAL},
			"ask an unconnected one for its peer's": {func() error { _, err := p.Getpeername(udp(t, p)); return err }(), winsock.WSAENOTCONN},
		} {
			require.Equal(t, row.want, row.got, name)
		}
	})
}

func TestDatagramLongerThanItsBuffer(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		server, port := bound(t, p, udp(t, p))
		require.NoError(t, p.Sendto(udp(t, p), []byte("hello"), 0, loopback(port)))
		buffer := make([]byte, 2)
		n, from, err := p.Recvfrom(server, buffer, 0)
		require.Equal(t, winsock.WSAEMSGSIZE, err)
		require.Equal(t, "he", string(buffer[:n]))
		require.NotNil(t, from)
	})
}

func TestNonBlockingAndTimeouts(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		buffer := make([]byte, 10)
		s, port := bound(t, p, udp(t, p))
		require.NoError(t, p.SetsockoptInt(s, winsock.SOL_SOCKET, winsock.SO_RCVTIMEO, 1))
		_, _, err := p.Recvfrom(s, buffer, 0)
		require.Equal(t, winsock.WSAETIMEDOUT, err)

		setNonBlocking(t, p, s)
		_, _, err = p.Recvfrom(s, buffer, 0)
		require.Equal(t, winsock.WSAEWOULDBLOCK, err)
		require.NoError(t, p.Sendto(s, []byte("hello"), 0, loopback(port)))
		n, _, err := p.Recvfrom(s, buffer, 0)
		for end := time.Now().Add(10 * time.Second); err == winsock.WSAEWOULDBLOCK && time.Now().Before(end); {
			n, _, err = p.Recvfrom(s, buffer, 0) // a computer under load may be slow to look
		}
		require.NoError(t, err, "what is there is received")
		require.Equal(t, 5, n)

		listener, _ := bound(t, p, tcp(t, p))
		require.NoError(t, p.Listen(listener, 1))
		setNonBlocking(t, p, listener)
		_, _, err = p.Accept(listener)
		require.Equal(t, winsock.WSAEWOULDBLOCK, err)
	})
}

// Closing a socket, and ending the process, wakes whoever waits on it.
func TestCloseInterruptsWaiting(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		for _, end := range []func(s winsock.Handle) error{p.Closesocket, func(winsock.Handle) error { return p.Exit() }} {
			listener, _ := bound(t, p, tcp(t, p))
			require.NoError(t, p.Listen(listener, 1))
			s, _ := bound(t, p, udp(t, p))
			received, accepted := make(chan error), make(chan error)
			go func() {
				_, _, err := p.Recvfrom(s, make([]byte, 1), 0)
				received <- err
			}()
			go func() {
				_, _, err := p.Accept(listener)
				accepted <- err
			}()
			require.NoError(t, end(s))
			// Whoever had not begun to wait finds the handle closed instead, or the process gone.
			codes := []winsock.Errno{winsock.WSAEINTR, winsock.WSAENOTSOCK, winsock.WSANOTINITIALISED}
			require.Contains(t, codes, <-received)
			_ = p.Closesocket(listener) // gone already if the process is
			require.Contains(t, codes, <-accepted)
		}
	})
}

func TestSeveralBuffersMakeOneDatagram(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		server, port := bound(t, p, udp(t, p))
		hello, world := []byte("hello, "), []byte("world")
		out := []winsock.WSABuf{{Len: 7, Buf: &hello[0]}, {}, {Len: 5, Buf: &world[0]}}
		var sent uint32
		client := udp(t, p)
		require.NoError(t, p.WSASendto(client, &out[0], 3, &sent, 0, loopback(port), nil, nil))
		require.EqualValues(t, 12, sent)

		first, rest := make([]byte, 5), make([]byte, 20)
		in := []winsock.WSABuf{{Len: 5, Buf: &first[0]}, {Len: 20, Buf: &rest[0]}}
		var received, flags uint32
		var from winsock.RawSockaddrAny
		fromlen := int32(16)
		require.NoError(t, p.WSARecvFrom(server, &in[0], 2, &received, &flags, &from, &fromlen, nil, nil))
		require.EqualValues(t, 12, received)
		require.Equal(t, "hello", string(first))
		require.Equal(t, ", world", string(rest[:7]))
		require.EqualValues(t, 16, fromlen)
		sender, err := from.Sockaddr()
		require.NoError(t, err)
		require.Equal(t, loopback(localPort(t, p, client)), sender)
		require.NoError(t, p.WSASendTo(server, &out[0], 1, nil, 0, &from, fromlen, nil, nil))
		require.NoError(t, p.WSARecv(client, &in[0], 2, &received, &flags, nil, nil))
		require.EqualValues(t, 7, received)
	})
}

func TestBuffersAreChecked(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s, port := bound(t, p, udp(t, p))
	b := make([]byte, 4)
	whole := winsock.WSABuf{Len: 4, Buf: &b[0]}
	missing := winsock.WSABuf{Len: 4}
	huge := winsock.WSABuf{Len: 1 << 31, Buf: &b[0]} // refused before it is looked at
	var n, flags uint32
	var from winsock.RawSockaddrAny
	short := int32(15)
	send := func(buf *winsock.WSABuf, count uint32) error {
		return p.WSASendto(s, buf, count, &n, 0, loopback(port), nil, nil)
	}
	require.Equal(t, winsock.WSAEFAULT, send(nil, 1))
	require.Equal(t, winsock.WSAEINVAL, send(&whole, 0))
	require.Equal(t, winsock.WSAENOBUFS, send(&whole, 1<<32-1))
	require.Equal(t, winsock.WSAEFAULT, send(&missing, 1))
	require.Equal(t, winsock.WSAENOBUFS, send(&huge, 1))
	require.Equal(t, winsock.WSAEFAULT, p.WSASendTo(s, &whole, 1, &n, 0, &from, short, nil, nil))
	require.Equal(t, winsock.WSAEFAULT, p.WSARecvFrom(s, &whole, 1, nil, &flags, nil, nil, nil, nil))
	require.Equal(t, winsock.WSAEFAULT, p.WSARecvFrom(s, &whole, 1, &n, nil, nil, nil, nil, nil))
	require.Equal(t, winsock.WSAEFAULT, p.WSARecvFrom(s, &whole, 1, &n, &flags, &from, nil, nil, nil))
	require.Equal(t, winsock.WSAEFAULT, p.WSARecvFrom(s, &whole, 1, &n, &flags, &from, &short, nil, nil))
}

// A dual mode socket shows IPv4 peers as IPv4-mapped addresses.
func TestDualModeHearsIPv4(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		requireIPv6(t)
		server := open(t, p, winsock.AF_INET6, winsock.SOCK_DGRAM, 0)
		require.NoError(t, p.SetsockoptInt(server, winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 0))
		require.NoError(t, p.Bind(server, &winsock.SockaddrInet6{}))
		client := udp(t, p)
		require.NoError(t, p.Sendto(client, []byte("hello"), 0, loopback(localPort(t, p, server))))
		buffer := make([]byte, 10)
		n, from, err := p.Recvfrom(server, buffer, 0)
		require.NoError(t, err)
		mapped := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
		require.Equal(t, &winsock.SockaddrInet6{Port: localPort(t, p, client), Addr: mapped}, from)
		require.NoError(t, p.Sendto(server, buffer[:n], 0, from))
		_, _, err = p.Recvfrom(client, buffer, 0)
		require.NoError(t, err)
	})
}
