package hold_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// A binding is one of the addresses that applications bind, and where its peers send to.
type binding struct {
	family  string // behind "udp" or "tcp"
	ip      string // empty is the wildcard
	reached []string
}

func (b binding) String() string { return fmt.Sprintf("family=%s ip=%s", b.family, b.ip) }

var bindings = []binding{
	{"4", "127.0.0.1", []string{"127.0.0.1"}},
	{"4", "127.9.9.9", []string{"127.9.9.9"}},
	{"4", "0.0.0.0", []string{"127.0.0.1", "127.5.5.5"}},
	{"6", "::1", []string{"::1"}},
	{"", "::1", []string{"::1"}},
	{"6", "::", []string{"::1"}},
	{"", "::", []string{"::1", "127.0.0.1"}},
	{"", "0.0.0.0", []string{"::1", "127.0.0.1"}},
	{"", "", []string{"::1", "127.0.0.1"}},
}

// openers hand a port over to a socket of package net, and to one that somebody else opened.
var openers = map[string]func(*testing.T, *hold.Block, binding, uint16) io.Closer{
	"own": func(t *testing.T, block *hold.Block, b binding, port uint16) io.Closer {
		socket, err := open(block, block.Protocol().String()+b.family, b.ip, port)
		require.NoError(t, err)
		return socket
	},
	"foreign": func(t *testing.T, block *hold.Block, b binding, port uint16) io.Closer {
		socket, err := openForeign(block, b, port, 0)
		require.NoError(t, err)
		return socket
	},
}

// openForeign opens a socket as an unmodified program does and has the block bind it.
func openForeign(block *hold.Block, b binding, port uint16, protocol int) (io.Closer, error) {
	address, family, only := netip.MustParseAddrPort(net.JoinHostPort(b.foreignIP(), fmt.Sprint(port))), unix.AF_INET6, 0
	if address.Addr().Is4() {
		family = unix.AF_INET
	}
	if b.family == "6" {
		only = 1
	}
	kind := unix.SOCK_DGRAM
	if block.Protocol() == pool.TCP {
		kind = unix.SOCK_STREAM
	}
	descriptor, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(descriptor), "foreign")
	defer func() { _ = file.Close() }()
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return nil, err
		}
	}
	if block.Protocol() == pool.UDP {
		if err := block.Bind(descriptor, address); err != nil {
			return nil, err
		}
		conn, err := net.FilePacketConn(file)
		return conn, err
	}
	if err := unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := block.Bind(descriptor, address); err != nil {
		return nil, err
	}
	if err := block.Listen(descriptor, 16); err != nil {
		return nil, err
	}
	return net.FileListener(file)
}

// foreignIP returns what a program binds that does not go through package net: it opens a socket for
// both families where package net does.
func (b binding) foreignIP() string {
	if b.family == "" && (b.ip == "" || b.ip == "0.0.0.0") {
		return "::"
	}
	return b.ip
}

func TestEveryDatagramArrives(t *testing.T) {
	for name, open := range openers {
		for _, b := range bindings {
			t.Run(name+"/"+b.String(), func(t *testing.T) {
				block := holdBlock(t, hold.New(), pool.UDP, 1)
				port := block.Range().First()
				for range 3 {
					socket := open(t, block, b, port)
					for _, ip := range b.reached {
						requireDelivery(t, socket.(*net.UDPConn), ip, port)
					}
					require.NoError(t, block.Return(port))
					require.NoError(t, socket.Close())
					require.ErrorIs(t, bindPlain(pool.UDP, "127.0.0.1", port), syscall.EADDRINUSE)
					require.ErrorIs(t, bindPlain(pool.UDP, "::1", port), syscall.EADDRINUSE)
				}
			})
		}
	}
}

// requireDelivery sends datagrams from many ports: beside another socket the system would spread them.
func requireDelivery(t *testing.T, conn *net.UDPConn, ip string, port uint16) {
	t.Helper()
	const datagrams = 200
	for i := range datagrams {
		sender, err := net.Dial("udp", net.JoinHostPort(ip, fmt.Sprint(port)))
		require.NoError(t, err)
		_, err = sender.Write([]byte{byte(i)})
		require.NoError(t, err)
		require.NoError(t, sender.Close())
	}
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	for i := range datagrams {
		var buffer [1]byte
		_, _, err := conn.ReadFromUDP(buffer[:])
		require.NoError(t, err, "datagram %d of %d to %s", i, datagrams, ip)
		require.Equal(t, byte(i), buffer[0])
	}
}

// A server that closes its connections first leaves them in TIME_WAIT on its port.
func TestConnectionsAreAcceptedAfterEveryHandover(t *testing.T) {
	for name, open := range openers {
		for _, b := range bindings {
			for _, closer := range []string{"server", "client", "nobody"} {
				t.Run(name+"/"+b.String()+"/closes="+closer, func(t *testing.T) {
					block := holdBlock(t, hold.New(), pool.TCP, 1)
					port := block.Range().First()
					for range 3 {
						listener := open(t, block, b, port)
						for _, ip := range b.reached {
							requireConnection(t, listener.(*net.TCPListener), ip, port, closer)
						}
						require.NoError(t, block.Return(port))
						require.NoError(t, listener.Close())
						require.ErrorIs(t, bindPlain(pool.TCP, "127.0.0.1", port), syscall.EADDRINUSE)
						require.ErrorIs(t, bindPlain(pool.TCP, "::1", port), syscall.EADDRINUSE)
					}
				})
			}
		}
	}
}

func requireConnection(t *testing.T, listener *net.TCPListener, ip string, port uint16, closer string) {
	t.Helper()
	client, err := net.Dial("tcp", net.JoinHostPort(ip, fmt.Sprint(port)))
	require.NoError(t, err)
	require.NoError(t, listener.SetDeadline(time.Now().Add(10*time.Second)))
	server, err := listener.Accept()
	require.NoError(t, err)
	first, second := server, client
	if closer == "client" {
		first, second = client, server
	}
	if closer == "nobody" {
		t.Cleanup(func() { _, _ = first.Close(), second.Close() })
		return
	}
	require.NoError(t, first.Close())
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, second.Close())
}

// Multipath TCP is what net.Listen opens on Linux, so what a Go server under supervision has.
func TestMultipathSocketIsHandedOver(t *testing.T) {
	block := holdBlock(t, hold.New(), pool.TCP, 1)
	port := block.Range().First()
	for _, b := range bindings {
		listener, err := openForeign(block, b, port, unix.IPPROTO_MPTCP)
		if err == unix.EPROTONOSUPPORT || err == unix.ENOPROTOOPT {
			t.Skipf("the kernel has no Multipath TCP: %v", err)
		}
		require.NoError(t, err)
		for _, ip := range b.reached {
			requireConnection(t, listener.(*net.TCPListener), ip, port, "client")
		}
		require.NoError(t, listener.Close())
	}
}

// A program may bind one socket and then, when that is closed, one of another kind.
func TestEveryBindingAfterEveryOther(t *testing.T) {
	for _, protocol := range protocols {
		block := holdBlock(t, hold.New(), protocol, 1)
		port := block.Range().First()
		for _, first := range bindings {
			for _, second := range bindings {
				for _, b := range []binding{first, second} {
					socket, err := openForeign(block, b, port, 0)
					require.NoError(t, err, "%v then %v", first, second)
					for _, ip := range b.reached {
						if protocol == pool.UDP {
							requireDelivery(t, socket.(*net.UDPConn), ip, port)
						} else {
							requireConnection(t, socket.(*net.TCPListener), ip, port, "client")
						}
					}
					require.NoError(t, socket.Close())
					for _, ip := range []string{"127.0.0.1", "::1", "::"} {
						require.ErrorIs(t, bindPlain(protocol, ip, port), syscall.EADDRINUSE, "%v then %v", first, second)
					}
				}
			}
		}
	}
}

// Programs open a socket for each family, or several addresses of one.
func TestForeignSocketsShareAPortAsTheSystemAllows(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			block := holdBlock(t, hold.New(), protocol, 1)
			port := block.Range().First()
			bind := func(family, ip string) error {
				socket, err := openForeign(block, binding{family: family, ip: ip}, port, 0)
				if err == nil {
					t.Cleanup(func() { require.NoError(t, socket.Close()) })
				}
				return err
			}
			require.NoError(t, bind("4", "127.0.0.1"))
			require.NoError(t, bind("6", "::1"))
			require.NoError(t, bind("4", "127.0.0.2"))
			for _, b := range []binding{{family: "4", ip: "127.0.0.1"}, {family: "6", ip: "::1"}, {family: "4", ip: "0.0.0.0"}, {family: "6", ip: "::"}, {family: "", ip: "::"}} {
				err := bind(b.family, b.ip)
				require.ErrorIs(t, err, reservation.ErrInUse, b)
				require.ErrorIs(t, err, syscall.EADDRINUSE, b)
			}
			require.NoError(t, bind("4", "127.0.0.3"))
			_, err := open(block, protocol.String(), "127.0.0.3", port)
			require.ErrorIs(t, err, reservation.ErrInUse)
			own, err := open(block, protocol.String(), "127.0.0.4", port)
			require.NoError(t, err)
			require.NoError(t, block.Return(port))
			require.NoError(t, own.Close())
		})
	}
}

// Servers open a socket for each processor, at one address, and have the system spread datagrams.
func TestSocketsThatShareGetEveryDatagram(t *testing.T) {
	for _, b := range bindings {
		t.Run(b.String(), func(t *testing.T) {
			block := holdBlock(t, hold.New(), pool.UDP, 1)
			port := block.Range().First()
			for range 2 {
				var conns []*net.UDPConn
				for range 2 {
					conn, err := block.ListenUDP(t.Context(), "udp"+b.family, &net.UDPAddr{IP: net.ParseIP(b.ip), Port: int(port)}, shareAddress)
					require.NoError(t, err)
					conns = append(conns, conn)
				}
				for _, ip := range b.reached {
					requireSpread(t, conns, ip, port)
				}
				for _, conn := range conns {
					require.NoError(t, block.Return(port))
					for _, ip := range []string{"127.0.0.1", "::1"} {
						require.ErrorIs(t, bindPlain(pool.UDP, ip, port), syscall.EADDRINUSE, "while a socket is closed")
					}
					require.NoError(t, conn.Close())
				}
				for _, ip := range []string{"127.0.0.1", "127.9.9.9", "::1", "::"} {
					require.ErrorIs(t, bindPlain(pool.UDP, ip, port), syscall.EADDRINUSE, "after")
				}
			}
		})
	}
}

func shareAddress(_, _ string, c syscall.RawConn) error {
	var err error
	return firstError(c.Control(func(descriptor uintptr) {
		err = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}), err)
}

// requireSpread counts what arrives at all sockets together.
func requireSpread(t *testing.T, conns []*net.UDPConn, ip string, port uint16) {
	t.Helper()
	const datagrams = 200
	for range datagrams {
		sender, err := net.Dial("udp", net.JoinHostPort(ip, fmt.Sprint(port)))
		require.NoError(t, err)
		_, err = sender.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, sender.Close())
	}
	arrived := 0
	for _, conn := range conns { // loopback delivers before Write returns
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		for {
			if _, _, err := conn.ReadFromUDP(make([]byte, 1)); err != nil {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				break
			}
			arrived++
		}
	}
	require.Equal(t, datagrams, arrived, "to %s", ip)
}

func TestBothWildcardsOfOneServer(t *testing.T) {
	for _, protocol := range protocols {
		block := holdBlock(t, hold.New(), protocol, 1)
		port := block.Range().First()
		four, err := openForeign(block, binding{family: "4", ip: "0.0.0.0"}, port, 0)
		require.NoError(t, err)
		six, err := openForeign(block, binding{family: "6", ip: "::"}, port, 0)
		require.NoError(t, err)
		if protocol == pool.UDP {
			requireDelivery(t, four.(*net.UDPConn), "127.0.0.1", port)
			requireDelivery(t, six.(*net.UDPConn), "::1", port)
		} else {
			requireConnection(t, four.(*net.TCPListener), "127.0.0.1", port, "client")
			requireConnection(t, six.(*net.TCPListener), "::1", port, "client")
		}
		require.NoError(t, four.Close())
		require.NoError(t, six.Close())
		require.ErrorIs(t, bindPlain(protocol, "::1", port), syscall.EADDRINUSE)
	}
}

func TestBindRefusesWhatItCannotHandOver(t *testing.T) {
	block, tcp := holdBlock(t, hold.New(), pool.UDP, 1), holdBlock(t, hold.New(), pool.TCP, 1)
	port := block.Range().First()
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	socket := func(family, kind int) int {
		descriptor, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { _ = unix.Close(descriptor) })
		return descriptor
	}
	bound := socket(unix.AF_INET, unix.SOCK_DGRAM)
	require.NoError(t, unix.Bind(bound, &unix.SockaddrInet4{Addr: loopback.As4()}))
	var pipe [2]int
	require.NoError(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	defer func() { _, _ = unix.Close(pipe[0]), unix.Close(pipe[1]) }()
	for name, test := range map[string]struct {
		socket  int
		address netip.AddrPort
	}{
		"port outside":   {socket(unix.AF_INET, unix.SOCK_DGRAM), netip.AddrPortFrom(loopback, port-1)},
		"no address":     {socket(unix.AF_INET, unix.SOCK_DGRAM), netip.AddrPortFrom(netip.Addr{}, port)},
		"other address":  {socket(unix.AF_INET, unix.SOCK_DGRAM), netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)},
		"other family":   {socket(unix.AF_INET, unix.SOCK_DGRAM), netip.AddrPortFrom(netip.IPv6Loopback(), port)},
		"other protocol": {socket(unix.AF_INET, unix.SOCK_STREAM), netip.AddrPortFrom(loopback, port)},
		"bound":          {bound, netip.AddrPortFrom(loopback, port)},
		"no socket":      {pipe[0], netip.AddrPortFrom(loopback, port)},
		"not open":       {1 << 20, netip.AddrPortFrom(loopback, port)},
		"negative":       {-1, netip.AddrPortFrom(loopback, port)},
		"unknown zone":   {socket(unix.AF_INET6, unix.SOCK_DGRAM), netip.AddrPortFrom(netip.MustParseAddr("fe80::1%nosuchdevice"), port)},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, block.Bind(test.socket, test.address), reservation.ErrInvalid)
			require.ErrorIs(t, bindPlain(pool.UDP, "127.0.0.1", port), syscall.EADDRINUSE, "still held")
		})
	}
	require.ErrorIs(t, block.Listen(bound, 1), reservation.ErrInvalid)
	require.ErrorIs(t, tcp.Listen(socket(unix.AF_INET, unix.SOCK_STREAM), 1), reservation.ErrInvalid, "not bound")
	require.ErrorIs(t, tcp.Listen(-1, 1), reservation.ErrInvalid)
	require.NoError(t, block.Close())
	err := block.Bind(socket(unix.AF_INET, unix.SOCK_DGRAM), netip.AddrPortFrom(loopback, port))
	require.ErrorIs(t, err, reservation.ErrClosed)
}

// What control sets on the socket stays set.
func TestOptionsOfTheCallerStay(t *testing.T) {
	for _, protocol := range protocols {
		for _, ip := range []string{"127.0.0.1", "::"} {
			block := holdBlock(t, hold.New(), protocol, 1)
			port := int(block.Range().First())
			for _, prepare := range []func(string, string, syscall.RawConn) error{nil, shareAddress} {
				var socket interface {
					io.Closer
					syscall.Conn
				}
				var err error
				if protocol == pool.UDP {
					socket, err = block.ListenUDP(t.Context(), "udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: port}, prepare)
				} else {
					socket, err = block.ListenTCP(t.Context(), "tcp", &net.TCPAddr{IP: net.ParseIP(ip), Port: port}, prepare)
				}
				require.NoError(t, err)
				raw, err := socket.SyscallConn()
				require.NoError(t, err)
				require.NoError(t, raw.Control(func(descriptor uintptr) {
					port, err := unix.GetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_REUSEPORT)
					require.NoError(t, err)
					require.Equal(t, prepare != nil, port == 1, "SO_REUSEPORT")
					address, err := unix.GetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_REUSEADDR)
					require.NoError(t, err)
					require.Equal(t, protocol == pool.TCP, address == 1, "SO_REUSEADDR, as package net has it")
				}))
				require.NoError(t, block.Return(uint16(port)))
				require.NoError(t, socket.Close())
			}
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A connection that is made between listen and the fresh guards is in the way of one of them.
func TestClientsConnectDuringHandover(t *testing.T) {
	block := holdBlock(t, hold.New(), pool.TCP, 1)
	port := block.Range().First()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if client, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
					_ = client.(*net.TCPConn).SetLinger(0) // leaves nothing behind
					_ = client.Close()
				}
			}
		})
	}
	for range 200 {
		listener, err := open(block, "tcp", "", port)
		require.NoError(t, err)
		require.NoError(t, block.Return(port))
		require.NoError(t, listener.Close())
		for _, ip := range []string{"127.0.0.1", "::1", "::"} {
			require.Eventually(t, func() bool {
				return errors.Is(bindPlain(pool.TCP, ip, port), syscall.EADDRINUSE)
			}, 5*time.Second, time.Millisecond)
		}
	}
}

func TestComputerWithoutIPv6(t *testing.T) {
	for _, protocol := range protocols {
		block := holdBlock(t, hold.NewWithoutIPv6(), protocol, 1)
		port := block.Range().First()
		for _, b := range []binding{{"4", "127.0.0.1", nil}, {"4", "0.0.0.0", nil}, {"4", "", nil}} {
			for range 2 {
				socket, err := open(block, protocol.String()+b.family, b.ip, port)
				require.NoError(t, err)
				if protocol == pool.UDP {
					requireDelivery(t, socket.(*net.UDPConn), "127.0.0.1", port)
				} else {
					requireConnection(t, socket.(*net.TCPListener), "127.0.0.1", port, "client")
				}
				require.NoError(t, block.Return(port))
				require.NoError(t, socket.Close())
				require.ErrorIs(t, bindPlain(protocol, "127.0.0.1", port), syscall.EADDRINUSE)
			}
		}
	}
}

// A supervised program may be another user's, if root runs it so.
func TestSocketOfAnotherUserIsHandedOver(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a socket to another user")
	}
	for _, protocol := range protocols {
		block := holdBlock(t, hold.New(), protocol, 1)
		port := block.Range().First()
		kind := unix.SOCK_DGRAM
		if protocol == pool.TCP {
			kind = unix.SOCK_STREAM
		}
		for _, user := range []int{nobody, 0} {
			descriptor, err := unix.Socket(unix.AF_INET6, kind|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			require.NoError(t, unix.Fchown(descriptor, user, -1))
			require.NoError(t, block.Bind(descriptor, netip.AddrPortFrom(netip.IPv6Unspecified(), port)))
			if protocol == pool.TCP {
				require.NoError(t, block.Listen(descriptor, 1))
			}
			require.NoError(t, unix.Close(descriptor))
			require.NoError(t, block.Return(port))
			if user == nobody {
				socket, err := open(block, protocol.String(), "127.0.0.1", port)
				require.NoError(t, err)
				require.NoError(t, block.Return(port))
				require.NoError(t, socket.Close())
			}
		}
		require.ErrorIs(t, bindPlain(protocol, "127.0.0.1", port), syscall.EADDRINUSE)
	}
}
