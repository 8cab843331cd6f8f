package sockets_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/inuse"
)

// newProcess returns an elevated process on a new engine that sees this computer's sockets. When the
// test ends, no port of the engine may be bound any more.
func newProcess(t testing.TB) *reservation.Process {
	host, err := reservation.New(context.Background(), reservation.Config{
		Journal: reservation.NewMemoryJournal(),
		Ports:   inuse.New(),
		BootID:  "boot of " + t.Name(),
	})
	require.NoError(t, err)
	process := host.Process(reservation.Caller{PID: uint32(os.Getpid()), Program: "sockets.test", Elevated: true})
	t.Cleanup(func() {
		blocks, err := process.List(context.Background(), 0)
		if !errors.Is(err, reservation.ErrClosed) {
			require.NoError(t, err)
		}
		for _, block := range blocks {
			require.Zero(t, block.Bound, "ports of %v are still bound at the engine", block.Range)
		}
		require.NoError(t, process.Close())
		require.NoError(t, host.Close())
	})
	return process
}

// reserve reserves a block of free ports below the ranges that systems assign from, somewhere at
// random so that tests that run at the same time do not meet.
func reserve(t testing.TB, process *reservation.Process, protocol reservation.Protocol, count int) (reservation.Range, reservation.Token) {
	const lowest, highest = 10000, 30000
	for range 100 {
		within := pool.MustParseRange("10000-30000")
		from := uint16(lowest + rand.IntN(highest-lowest-count))
		block, err := process.Free(t.Context(), protocol, count, pool.Search{Within: within, From: from})
		require.NoError(t, err)
		token, err := process.CreatePersistent(t.Context(), protocol, block, t.Name())
		if errors.Is(err, reservation.ErrInUse) {
			continue // somebody bound a port in between
		}
		require.NoError(t, err)
		return block, token
	}
	require.Fail(t, "no free ports for the test")
	return reservation.Range{}, 0
}

// requireFree fails unless nobody has the port, at the system or at the engine.
func requireFree(t *testing.T, protocol reservation.Protocol, port uint16) {
	ports, err := inuse.New().InUse(t.Context(), protocol, pool.RangeOf(port))
	require.NoError(t, err)
	require.Empty(t, ports)
}

// requireNamesUs fails unless the error says that this program has the port, where the system says so.
func requireNamesUs(t *testing.T, err error, port uint16) {
	holders, _ := inuse.New().Holders(t.Context(), pool.UDP, pool.RangeOf(port))
	if len(holders) == 1 && holders[0].PID != 0 {
		require.ErrorContains(t, err, strconv.Itoa(os.Getpid()))
	}
}

func loopback(port int) *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

func loopbackTCP(port int) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }

func udpPort(conn net.PacketConn) uint16 { return uint16(conn.LocalAddr().(*net.UDPAddr).Port) }

func tcpPort(listener net.Listener) uint16 { return uint16(listener.Addr().(*net.TCPAddr).Port) }

func TestListenUDPGivesPortsOfTheBlock(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 4)
	config := &sockets.ListenConfig{Process: process, Token: token}
	seen := make(map[uint16]bool)
	for range block.Count() {
		conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
		require.NoError(t, err)
		defer conn.Close()
		require.True(t, block.Contains(udpPort(conn)))
		require.False(t, seen[udpPort(conn)])
		seen[udpPort(conn)] = true
	}
	_, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrExhausted)
}

func TestListenUDPGivesExactlyThePortAskedFor(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 4)
	config := &sockets.ListenConfig{Process: process, Token: token}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(int(block.Last())))
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, block.Last(), udpPort(conn))

	_, err = config.ListenUDP(t.Context(), "udp4", loopback(int(block.Last())+1))
	require.Error(t, err, "a port outside the block")
	requireReservationError(t, err)
}

// TestNetworksAndAddresses binds every kind of local address that this computer has.
func TestNetworksAndAddresses(t *testing.T) {
	process := newProcess(t)
	for _, test := range []struct{ suffix, host string }{
		{"", ""}, {"4", ""}, {"6", ""},
		{"", "127.0.0.1"}, {"4", "127.0.0.1"}, {"4", "0.0.0.0"}, {"", "0.0.0.0"},
		{"", "::1"}, {"6", "::1"}, {"6", "::"}, {"", "::"}, {"4", "::ffff:127.0.0.1"},
		{"", "localhost"}, {"4", "localhost"},
		{"6", linkLocal()},
	} {
		t.Run("family "+test.suffix+" host "+test.host, func(t *testing.T) {
			if test.suffix == "6" && test.host == "" && linkLocal() == "" && !hasIPv6() {
				t.Skip("no IPv6 on this computer")
			}
			address := net.JoinHostPort(test.host, "0")
			if plain, err := net.ListenPacket("udp"+test.suffix, address); err != nil {
				t.Skipf("this computer has no such address: %v", err)
			} else {
				plain.Close()
			}
			block, token := reserve(t, process, pool.UDP, 1)
			config := &sockets.ListenConfig{Process: process, Token: token}
			conn, err := config.ListenPacket(t.Context(), "udp"+test.suffix, address)
			require.NoError(t, err)
			require.IsType(t, (*sockets.UDPConn)(nil), conn)
			require.Equal(t, block.First(), udpPort(conn))
			require.NoError(t, conn.Close())
			requireFree(t, pool.UDP, block.First())

			block, token = reserve(t, process, pool.TCP, 1)
			config = &sockets.ListenConfig{Process: process, Token: token}
			listener, err := config.Listen(t.Context(), "tcp"+test.suffix, address)
			require.NoError(t, err)
			require.IsType(t, (*sockets.TCPListener)(nil), listener)
			require.Equal(t, block.First(), tcpPort(listener))
			require.NoError(t, listener.Close())
			requireFree(t, pool.TCP, block.First())
		})
	}
}

// linkLocal returns an address of this computer that needs its zone, empty if there is none.
func linkLocal() string {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, address := range addresses {
			if network, ok := address.(*net.IPNet); ok && network.IP.To4() == nil && network.IP.IsLinkLocalUnicast() {
				return network.IP.String() + "%" + i.Name
			}
		}
	}
	return ""
}

func hasIPv6() bool {
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestNilAddressIsTheWildcard(t *testing.T) {
	process := newProcess(t)
	_, token := reserve(t, process, pool.UDP, 1)
	conn, err := (&sockets.ListenConfig{Process: process, Token: token}).ListenUDP(t.Context(), "udp", nil)
	require.NoError(t, err)
	require.True(t, conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified())
	require.NoError(t, conn.Close())

	_, token = reserve(t, process, pool.TCP, 1)
	listener, err := (&sockets.ListenConfig{Process: process, Token: token}).ListenTCP(t.Context(), "tcp", nil)
	require.NoError(t, err)
	require.True(t, listener.Addr().(*net.TCPAddr).IP.IsUnspecified())
	require.NoError(t, listener.Close())
}

func TestStrangersPortIsPassedOver(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 4)
	for _, port := range []uint16{block.First(), block.First() + 2} {
		stranger, err := net.ListenUDP("udp4", loopback(int(port)))
		require.NoError(t, err)
		defer stranger.Close()
	}
	config := &sockets.ListenConfig{Process: process, Token: token}
	for _, want := range []uint16{block.First() + 1, block.First() + 3} {
		conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
		require.NoError(t, err)
		defer conn.Close()
		require.Equal(t, want, udpPort(conn))
	}
	_, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrExhausted)
	require.ErrorContains(t, err, "4 ports")
	requireNamesUs(t, err, block.First())
}

func TestStrangerOnThePortAskedFor(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 2)
	stranger, err := net.ListenUDP("udp4", loopback(int(block.First())))
	require.NoError(t, err)
	defer stranger.Close()
	_, err = (&sockets.ListenConfig{Process: process, Token: token}).ListenUDP(t.Context(), "udp4", loopback(int(block.First())))
	require.ErrorIs(t, err, reservation.ErrInUse)
	requireReservationError(t, err)
	require.ErrorContains(t, err, strconv.Itoa(int(block.First())))
	requireNamesUs(t, err, block.First())
	var system syscall.Errno
	require.ErrorAs(t, err, &system, "the system's own error is in the chain")
	var operation *net.OpError
	require.ErrorAs(t, err, &operation)
}

func TestWithoutTokenReservedPortIsDenied(t *testing.T) {
	process := newProcess(t)
	block, _ := reserve(t, process, pool.UDP, 2)
	config := &sockets.ListenConfig{Process: process}
	_, err := config.ListenUDP(t.Context(), "udp4", loopback(int(block.First())))
	require.ErrorIs(t, err, reservation.ErrDenied)
	require.ErrorIs(t, err, fs.ErrPermission)
	requireFree(t, pool.UDP, block.First())

	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.True(t, reservation.DefaultDynamic.Contains(udpPort(conn)))
	require.NoError(t, conn.Close())
}

func TestCloseGivesThePortBack(t *testing.T) {
	process := newProcess(t)
	_, token := reserve(t, process, pool.UDP, 1)
	config := &sockets.ListenConfig{Process: process, Token: token}
	for range 100 {
		conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.ErrorIs(t, conn.Close(), net.ErrClosed, "as net says it")
	}
}

func TestCloseOfTheInnerConnKeepsTheClaimUntilClose(t *testing.T) {
	process := newProcess(t)
	_, token := reserve(t, process, pool.UDP, 1)
	config := &sockets.ListenConfig{Process: process, Token: token}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.NoError(t, conn.UDPConn.Close())
	_, err = config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrExhausted)
	require.ErrorIs(t, conn.Close(), net.ErrClosed)
	conn, err = config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestListenTCP(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.TCP, 1)
	config := &sockets.ListenConfig{Process: process, Token: token}
	listener, err := config.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.NoError(t, err)
	require.Equal(t, block.First(), tcpPort(listener))
	client, err := net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := listener.AcceptTCP()
	require.NoError(t, err)
	defer server.Close()
	_, err = config.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.ErrorIs(t, err, reservation.ErrExhausted)

	require.NoError(t, listener.Close())
	require.ErrorIs(t, listener.Close(), net.ErrClosed)
	again, err := config.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.NoError(t, err, "connections live on without the port")
	require.NoError(t, again.Close())
	_, err = client.Write([]byte("x"))
	require.NoError(t, err)
	_, err = server.Read(make([]byte, 1))
	require.NoError(t, err)
}

func TestControlSeesEveryPortTried(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 2)
	stranger, err := net.ListenUDP("udp4", loopback(int(block.First())))
	require.NoError(t, err)
	defer stranger.Close()
	var networks, addresses []string
	config := &sockets.ListenConfig{Process: process, Token: token, Control: func(network, address string, c syscall.RawConn) error {
		networks, addresses = append(networks, network), append(addresses, address)
		return c.Control(func(uintptr) {})
	}}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, []string{"udp4", "udp4"}, networks)
	require.Equal(t, []string{
		loopback(int(block.First())).String(), loopback(int(block.Last())).String(),
	}, addresses)
}

func TestControlErrorEndsTheCall(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 2)
	refusal := errors.New("refused by the test")
	calls := 0
	config := &sockets.ListenConfig{Process: process, Token: token, Control: func(string, string, syscall.RawConn) error {
		calls++
		return refusal
	}}
	_, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, refusal)
	require.Equal(t, 1, calls)
	requireFree(t, pool.UDP, block.First())
}

// TestCloseWhileBinding closes the process between the socket's creation and the end of the bind.
func TestCloseWhileBinding(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 1)
	config := &sockets.ListenConfig{Process: process, Token: token, Control: func(string, string, syscall.RawConn) error {
		return process.Close()
	}}
	_, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrClosed)
	requireFree(t, pool.UDP, block.First())
}

func TestBadArguments(t *testing.T) {
	process := newProcess(t)
	_, udpToken := reserve(t, process, pool.UDP, 1)
	config := &sockets.ListenConfig{Process: process, Token: udpToken}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		call func() (any, error)
		want error
	}{
		{"network sctp", func() (any, error) { return config.ListenPacket(t.Context(), "sctp", ":0") }, reservation.ErrInvalid},
		{"network empty", func() (any, error) { return config.ListenUDP(t.Context(), "", nil) }, reservation.ErrInvalid},
		{"network of the other protocol", func() (any, error) { return config.ListenTCP(t.Context(), "udp", nil) }, reservation.ErrInvalid},
		{"network of the other protocol by text", func() (any, error) { return config.Listen(t.Context(), "udp", ":0") }, reservation.ErrInvalid},
		{"IPv6 address on udp4", func() (any, error) { return config.ListenPacket(t.Context(), "udp4", "[::1]:0") }, reservation.ErrInvalid},
		{"IPv4 address on udp6", func() (any, error) { return config.ListenPacket(t.Context(), "udp6", "127.0.0.1:0") }, reservation.ErrInvalid},
		{"half an address", func() (any, error) {
			return config.ListenUDP(t.Context(), "udp", &net.UDPAddr{IP: net.IP{127, 0}})
		}, reservation.ErrInvalid},
		{"port -1", func() (any, error) { return config.ListenUDP(t.Context(), "udp4", loopback(-1)) }, reservation.ErrInvalid},
		{"port 65536", func() (any, error) { return config.ListenTCP(t.Context(), "tcp4", loopbackTCP(65536)) }, reservation.ErrInvalid},
		{"port 65536 by text", func() (any, error) { return config.ListenPacket(t.Context(), "udp", ":65536") }, reservation.ErrInvalid},
		{"port by no name", func() (any, error) { return config.ListenPacket(t.Context(), "udp", ":no-such-service") }, reservation.ErrInvalid},
		{"no port", func() (any, error) { return config.ListenPacket(t.Context(), "udp", "127.0.0.1") }, reservation.ErrInvalid},
		{"an address of another computer", func() (any, error) {
			return config.ListenPacket(t.Context(), "udp4", "192.0.2.1:0")
		}, reservation.ErrInvalid},
		{"token of the other protocol", func() (any, error) { return config.ListenTCP(t.Context(), "tcp", nil) }, reservation.ErrInvalid},
		{"unknown token", func() (any, error) {
			return (&sockets.ListenConfig{Process: process, Token: udpToken + 1}).ListenUDP(t.Context(), "udp", nil)
		}, reservation.ErrNotFound},
		{"no process", func() (any, error) { return (&sockets.ListenConfig{}).ListenUDP(t.Context(), "udp", nil) }, reservation.ErrInvalid},
		{"no process for TCP", func() (any, error) { return (&sockets.ListenConfig{}).Listen(t.Context(), "tcp", ":0") }, reservation.ErrInvalid},
		{"no process for a socket", func() (any, error) { return sockets.Open(t.Context(), nil, pool.UDP) }, reservation.ErrInvalid},
		{"socket of no protocol", func() (any, error) { return sockets.Open(t.Context(), process, 0) }, reservation.ErrInvalid},
		{"cancelled", func() (any, error) { return config.ListenUDP(cancelled, "udp", nil) }, context.Canceled},
		{"cancelled for TCP", func() (any, error) { return config.ListenTCP(cancelled, "tcp", nil) }, context.Canceled},
		{"cancelled by text", func() (any, error) { return config.ListenPacket(cancelled, "udp", ":0") }, context.Canceled},
		{"cancelled by name", func() (any, error) { return config.Listen(cancelled, "tcp", "no-such-host.invalid:0") }, context.Canceled},
		{"cancelled for a socket", func() (any, error) { return sockets.Open(cancelled, process, pool.UDP) }, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			result, err := test.call()
			require.ErrorIs(t, err, test.want)
			requireReservationError(t, err)
			require.Nil(t, result)
		})
	}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err, "nothing leaked")
	require.NoError(t, conn.Close())
}

// requireReservationError fails unless the error tells operation and ports.
func requireReservationError(t *testing.T, err error) {
	var typed *reservation.Error
	require.ErrorAs(t, err, &typed)
	require.NotEmpty(t, typed.Op)
}

// A countingProcess counts how often endpoints are closed.
type countingProcess struct {
	reservation.API
	closes atomic.Int64
}

type countingEndpoint struct {
	reservation.Endpoint
	closes *atomic.Int64
}

func (p *countingProcess) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	endpoint, err := p.API.Open(ctx, protocol)
	return &countingEndpoint{endpoint, &p.closes}, err
}

func (e *countingEndpoint) Close() error {
	e.closes.Add(1)
	return e.Endpoint.Close()
}

// A taggingProcess is a system that puts its token on sockets.
type taggingProcess struct {
	reservation.API
	tag func(syscall.RawConn) error
}

type taggingEndpoint struct {
	reservation.Endpoint
	tag func(syscall.RawConn) error
}

func (p *taggingProcess) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	endpoint, err := p.API.Open(ctx, protocol)
	return &taggingEndpoint{endpoint, p.tag}, err
}

func (e *taggingEndpoint) TagSocket(socket syscall.RawConn) error { return e.tag(socket) }

func TestSocketIsTaggedBeforeItIsBound(t *testing.T) {
	var order []string
	process := &taggingProcess{newProcess(t), func(c syscall.RawConn) error {
		order = append(order, "tag")
		return c.Control(func(uintptr) {})
	}}
	config := &sockets.ListenConfig{Process: process, Control: func(string, string, syscall.RawConn) error {
		order = append(order, "control")
		return nil
	}}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	config.Control = nil
	listener, err := config.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.Equal(t, []string{"tag", "control", "tag"}, order)

	process.tag = func(syscall.RawConn) error { return reservation.ErrNotFound }
	_, err = config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrNotFound)
}
