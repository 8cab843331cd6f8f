package inuse_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/inuse"
)

// BenchmarkInUse compares the in-use check of a block of 10,000 ports with the raw filtered dump: the
// same requests and receives, and nothing done with the answer. The two take turns and the medians
// are reported, so that what else the computer does disturbs both alike and hardly. "x-raw" is their
// quotient, which the bar is about. The op is one of each.
func BenchmarkInUse(b *testing.B) {
	block := pool.MustParseRange("20000-29999")
	for _, sockets := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) {
			bound := bindMany(b, block, sockets)
			table, buffer := inuse.New(), make([]byte, 64<<10)
			var raw, checked []time.Duration
			for b.Loop() {
				start := time.Now()
				count := rawDump(b, block, buffer)
				middle := time.Now()
				ports, err := table.InUse(b.Context(), pool.UDP, block)
				raw, checked = append(raw, middle.Sub(start)), append(checked, time.Since(middle))
				require.NoError(b, err)
				require.GreaterOrEqual(b, count, bound)
				require.GreaterOrEqual(b, len(ports), bound)
			}
			b.ReportMetric(float64(median(raw).Nanoseconds()), "raw-ns/check")
			b.ReportMetric(float64(median(checked).Nanoseconds()), "table-ns/check")
			b.ReportMetric(float64(median(checked))/float64(median(raw)), "x-raw")
		})
	}
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
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
func rawDump(b *testing.B, block reservation.Range, buffer []byte) (count int) {
	descriptor, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	require.NoError(b, err)
	defer unix.Close(descriptor)
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
