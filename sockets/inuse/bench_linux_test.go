package inuse_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/inuse"
)

// BenchmarkInUse compares the in-use check of a block of 10,000 ports with the raw filtered dump:
// the same requests and receives, and nothing done with the answer.
func BenchmarkInUse(b *testing.B) {
	block := pool.MustParseRange("20000-29999")
	for _, sockets := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) {
			bound := bindMany(b, block, sockets)
			b.Run("how=raw", func(b *testing.B) {
				for b.Loop() {
					require.GreaterOrEqual(b, rawDump(b, block), bound)
				}
			})
			b.Run("how=table", func(b *testing.B) {
				table := inuse.New()
				for b.Loop() {
					ports, err := table.InUse(b.Context(), pool.UDP, block)
					require.NoError(b, err)
					require.GreaterOrEqual(b, len(ports), bound)
				}
			})
		})
	}
}

// bindMany binds UDP sockets from the first port of the block on, past ports that others have.
func bindMany(b *testing.B, block reservation.Range, count int) (bound int) {
	for port := range block.Ports() {
		if bound == count {
			break
		}
		descriptor, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if errors.Is(err, unix.EMFILE) {
			b.Skipf("this user may open %d sockets only, want %d", bound, count)
		}
		require.NoError(b, err)
		b.Cleanup(func() { unix.Close(descriptor) })
		if unix.Bind(descriptor, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}) == nil {
			bound++
		}
	}
	return bound
}

// rawDump asks the kernel for the sockets of both families and counts them.
func rawDump(b *testing.B, block reservation.Range) (count int) {
	descriptor, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	require.NoError(b, err)
	defer unix.Close(descriptor)
	buffer := make([]byte, 64<<10)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := inuse.AppendSockDiagRequest(nil, 1, family, pool.UDP, block)
		require.NoError(b, unix.Sendto(descriptor, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
		for done := false; !done; {
			n, err := unix.Read(descriptor, buffer)
			require.NoError(b, err)
			for rest := buffer[:n]; len(rest) > 0 && !done; {
				done = binary.NativeEndian.Uint16(rest[4:]) == unix.NLMSG_DONE
				rest = rest[min(len(rest), int(binary.NativeEndian.Uint32(rest)+3)&^3):]
				count++
			}
		}
		count-- // the end
	}
	return count
}
