package inuse_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/inuse"
)

// holderVariable makes this test binary another program: one that binds sockets and says which.
const holderVariable = "BERTH_TEST_HOLD_SOCKETS"

func TestMain(m *testing.M) {
	if os.Getenv(holderVariable) != "" {
		holdSockets()
		return
	}
	os.Exit(m.Run())
}

func holdSockets() {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(conn.LocalAddr().(*net.UDPAddr).Port)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent closes the pipe
}

// sockets opens sockets of every kind that holds a port; each entry returns that port.
var sockets = []struct {
	name     string
	protocol reservation.Protocol
	open     func(t *testing.T) uint16
}{
	{"udp on the IPv4 wildcard", pool.UDP, func(t *testing.T) uint16 { return listenUDP(t, "udp4", "0.0.0.0:0") }},
	{"udp on an IPv4 address", pool.UDP, func(t *testing.T) uint16 { return listenUDP(t, "udp4", "127.0.0.1:0") }},
	{"udp on the IPv6 wildcard alone", pool.UDP, func(t *testing.T) uint16 { return listenUDP(t, "udp6", "[::]:0") }},
	{"udp on an IPv6 address", pool.UDP, func(t *testing.T) uint16 { return listenUDP(t, "udp6", "[::1]:0") }},
	{"udp on both wildcards", pool.UDP, func(t *testing.T) uint16 { return listenUDP(t, "udp", ":0") }},
	{"udp connected", pool.UDP, func(t *testing.T) uint16 {
		conn, err := net.Dial("udp4", "127.0.0.1:9")
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return portOf(conn.LocalAddr())
	}},
	{"tcp listening on an IPv4 address", pool.TCP, func(t *testing.T) uint16 { return listenTCP(t, "tcp4", "127.0.0.1:0") }},
	{"tcp listening on an IPv6 address", pool.TCP, func(t *testing.T) uint16 { return listenTCP(t, "tcp6", "[::1]:0") }},
	{"tcp listening on both wildcards", pool.TCP, func(t *testing.T) uint16 { return listenTCP(t, "tcp", ":0") }},
	{"tcp connected", pool.TCP, func(t *testing.T) uint16 { client, _ := connectTCP(t); return portOf(client.LocalAddr()) }},
}

func TestEverySocketIsInUse(t *testing.T) {
	for _, socket := range sockets {
		t.Run(socket.name, func(t *testing.T) {
			port := socket.open(t)
			ports, err := inuse.New().InUse(t.Context(), socket.protocol, pool.RangeOf(port))
			require.NoError(t, err)
			require.Equal(t, []uint16{port}, ports)

			ports, err = inuse.New().InUse(t.Context(), socket.protocol, pool.AllPorts)
			require.NoError(t, err)
			require.Contains(t, ports, port)
			require.IsIncreasing(t, ports)
		})
	}
}

func TestTimeWaitIsInUse(t *testing.T) {
	client, server := connectTCP(t)
	port := portOf(client.LocalAddr())
	require.NoError(t, client.Close()) // who closes first is left in TIME_WAIT
	_, err := server.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, server.Close())

	ports, err := inuse.New().InUse(t.Context(), pool.TCP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Equal(t, []uint16{port}, ports)
}

func TestClosedSocketIsNotInUse(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	port := portOf(conn.LocalAddr())
	require.NoError(t, conn.Close())

	ports, err := inuse.New().InUse(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Empty(t, ports)
}

func TestProtocolsDoNotMix(t *testing.T) {
	port := listenTCP(t, "tcp4", "127.0.0.1:0")
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err == nil {
		conn.Close() // the port is free for UDP, so the UDP table must not have it
		ports, err := inuse.New().InUse(t.Context(), pool.UDP, pool.RangeOf(port))
		require.NoError(t, err)
		require.Empty(t, ports)
	}
}

func TestHoldersNamesThisProgram(t *testing.T) {
	requireOwners(t)
	port := listenUDP(t, "udp4", "127.0.0.1:0")
	holders, err := inuse.New().Holders(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Len(t, holders, 1)
	require.Equal(t, port, holders[0].Port)
	require.EqualValues(t, os.Getpid(), holders[0].PID)
	requireProgram(t, holders[0].Program)
	require.False(t, holders[0].Ours)
}

func TestHoldersNamesAnotherProgram(t *testing.T) {
	requireOwners(t)
	pid, port := startHolder(t)
	holders, err := inuse.New().Holders(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Len(t, holders, 1)
	require.Equal(t, port, holders[0].Port)
	require.EqualValues(t, pid, holders[0].PID)
	requireProgram(t, holders[0].Program)
}

func TestHoldersCountsAProgramOncePerPort(t *testing.T) {
	requireOwners(t)
	client, server := connectTCP(t) // the listener's port has two sockets of this program
	require.NotNil(t, client)
	port := portOf(server.LocalAddr())
	holders, err := inuse.New().Holders(t.Context(), pool.TCP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Len(t, holders, 1)
}

func TestBadArguments(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name     string
		ctx      context.Context
		protocol reservation.Protocol
		within   reservation.Range
		want     error
	}{
		{"protocol 0", t.Context(), 0, pool.AllPorts, reservation.ErrInvalid},
		{"protocol sctp", t.Context(), 132, pool.AllPorts, reservation.ErrInvalid},
		{"no range", t.Context(), pool.UDP, reservation.Range{}, reservation.ErrInvalid},
		{"cancelled", ctx, pool.UDP, pool.AllPorts, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			ports, err := inuse.New().InUse(test.ctx, test.protocol, test.within)
			require.ErrorIs(t, err, test.want)
			require.Nil(t, ports)
			holders, err := inuse.New().Holders(test.ctx, test.protocol, test.within)
			require.ErrorIs(t, err, test.want)
			require.Nil(t, holders)
		})
	}
}

func listenUDP(t *testing.T, network, address string) uint16 {
	conn, err := net.ListenPacket(network, address)
	skipWithoutIPv6(t, network, err)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return portOf(conn.LocalAddr())
}

func listenTCP(t *testing.T, network, address string) uint16 {
	listener, err := net.Listen(network, address)
	skipWithoutIPv6(t, network, err)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return portOf(listener.Addr())
}

// connectTCP returns both ends of a connection whose listener is closed already.
func connectTCP(t *testing.T) (client, server net.Conn) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err = net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return client, server
}

// startHolder starts another program that holds a UDP port until the test ends.
func startHolder(t *testing.T) (pid int, port uint16) {
	path, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(path)
	command.Env = append(os.Environ(), holderVariable+"=1")
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { stdin.Close(); _ = command.Wait() })
	var said string
	_, err = fmt.Fscanln(stdout, &said)
	require.NoError(t, err)
	n, err := strconv.ParseUint(said, 10, 16)
	require.NoError(t, err, "the other program said %q", said)
	return command.Process.Pid, uint16(n)
}

func portOf(address net.Addr) uint16 {
	switch address := address.(type) {
	case *net.UDPAddr:
		return uint16(address.Port)
	case *net.TCPAddr:
		return uint16(address.Port)
	}
	return 0
}

func skipWithoutIPv6(t *testing.T, network string, err error) {
	if err != nil && strings.HasSuffix(network, "6") {
		t.Skipf("no IPv6 on this computer: %v", err)
	}
}

// requireProgram compares with the name of the running binary; Linux keeps 15 bytes of it.
func requireProgram(t *testing.T, program string) {
	path, err := os.Executable()
	require.NoError(t, err)
	require.NotEmpty(t, program)
	require.True(t, strings.HasPrefix(filepath.Base(path), program), "%q is not the start of %q", program, filepath.Base(path))
}

// requireOwners skips where the system's table does not tell owners.
func requireOwners(t *testing.T) {
	if err := inuse.TableRefusal(t.Context()); err != nil {
		t.Skipf("ports are probed here, and a probe does not tell who holds a port: %v", err)
	}
}
