//go:build linux

package inuse_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/sockets/inuse"
)

func TestSocketOptionsDoNotHideASocket(t *testing.T) {
	for _, test := range []struct {
		name          string
		level, option int
	}{
		{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{"SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{"IP_FREEBIND", unix.IPPROTO_IP, unix.IP_FREEBIND},
	} {
		t.Run(test.name, func(t *testing.T) {
			descriptor := newSocket(t, unix.SOCK_DGRAM)
			require.NoError(t, unix.SetsockoptInt(descriptor, test.level, test.option, 1))
			port := bindLoopback(t, descriptor)
			ports, err := inuse.New().InUse(t.Context(), pool.UDP, pool.RangeOf(port))
			require.NoError(t, err)
			require.Equal(t, []uint16{port}, ports)
		})
	}
}

func TestBoundOnlyTCPSocketIsInUse(t *testing.T) {
	requireKernel(t, 6, 8, "older kernels do not list a TCP socket that is bound but neither listens nor connects")
	port := bindLoopback(t, newSocket(t, unix.SOCK_STREAM))
	ports, err := inuse.New().InUse(t.Context(), pool.TCP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Equal(t, []uint16{port}, ports)
}

// TestSocketInFlightIsInUse closes every descriptor of a socket while a message carries it: nobody
// has it then, and it is bound all the same.
func TestSocketInFlightIsInUse(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	descriptor, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	port := bindLoopback(t, descriptor)
	require.NoError(t, unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(descriptor), nil, 0))
	require.NoError(t, unix.Close(descriptor))

	ports, err := inuse.New().InUse(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Equal(t, []uint16{port}, ports)
	holders, err := inuse.New().Holders(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Len(t, holders, 1)
	require.Zero(t, holders[0].PID)
}

func newSocket(t testing.TB, kind int) int {
	descriptor, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(descriptor) })
	return descriptor
}

func bindLoopback(t testing.TB, descriptor int) uint16 {
	require.NoError(t, unix.Bind(descriptor, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	address, err := unix.Getsockname(descriptor)
	require.NoError(t, err)
	return uint16(address.(*unix.SockaddrInet4).Port)
}

func requireKernel(t *testing.T, major, minor int, reason string) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	fields := strings.SplitN(string(release), ".", 3)
	require.Len(t, fields, 3)
	haveMajor, err := strconv.Atoi(fields[0])
	require.NoError(t, err)
	haveMinor, err := strconv.Atoi(fields[1])
	require.NoError(t, err)
	if haveMajor < major || haveMajor == major && haveMinor < minor {
		t.Skipf("Linux %d.%d: %s", haveMajor, haveMinor, reason)
	}
}
