package hold_test

import (
	"context"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/sockets/hold"
)

// BenchmarkHold compares holding 100 ports with binding 100 sockets of the same kind, with and
// without the minimal receive buffer. The two take turns, and the medians of the turns are reported;
// "x-bind" is their quotient, which the bar is about. Letting go is not measured. The op is one turn
// of each.
func BenchmarkHold(b *testing.B) {
	const ports = 100
	for _, buffer := range []string{"minimal", "as-is"} {
		b.Run("plain-buffer="+buffer, func(b *testing.B) {
			block := holdBlock(b, hold.New(), pool.UDP, ports)
			require.NoError(b, block.Close())
			var plain, held []time.Duration
			for b.Loop() {
				start := time.Now()
				sockets := bindSockets(b, block.Range(), buffer == "minimal")
				middle := time.Now()
				for _, descriptor := range sockets {
					require.NoError(b, unix.Close(descriptor))
				}
				closed := time.Now()
				block, err := hold.New().Hold(b.Context(), pool.UDP, block.Range())
				done := time.Now()
				require.NoError(b, err)
				require.NoError(b, block.Close())
				plain, held = append(plain, middle.Sub(start)), append(held, done.Sub(closed))
			}
			report(b, "bind", plain, held, ports)
		})
	}
}

// bindSockets binds a socket for both families to every port, as shortly as it can be written.
func bindSockets(b *testing.B, r pool.Range, minimal bool) []int {
	sockets := make([]int, 0, r.Count())
	for port := range r.Ports() {
		descriptor, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
		}
		if err == nil && minimal {
			err = unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
		}
		if err == nil {
			err = unix.Bind(descriptor, &unix.SockaddrInet6{Port: int(port)})
		}
		if err != nil {
			b.Fatal(err)
		}
		sockets = append(sockets, descriptor)
	}
	return sockets
}

// BenchmarkListenUDP compares a bind from a held block and its close with those of net.ListenUDP,
// which the bar is about, and with those of a net.ListenConfig whose Control does nothing: without a
// Control nobody can touch a socket of package net before it is bound. All take turns, as in
// BenchmarkHold; "x-net" and "x-control" are the quotients.
func BenchmarkListenUDP(b *testing.B) {
	const binds = 20 // in a turn
	for _, test := range []struct {
		name, network string
		ip            net.IP
	}{
		{"loopback", "udp4", net.IPv4(127, 0, 0, 1)},
		{"wildcard", "udp4", net.IPv4zero},
		{"loopback-v6", "udp6", net.IPv6loopback},
		{"both-families", "udp", nil},
	} {
		b.Run("address="+test.name, func(b *testing.B) {
			block := holdBlock(b, hold.New(), pool.UDP, 1)
			port := int(block.Range().First())
			address := &net.UDPAddr{IP: test.ip, Port: int(freePort(b, pool.UDP))}
			config := net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return nil }}
			listens := []func() (io.Closer, error){
				func() (io.Closer, error) { return net.ListenUDP(test.network, address) },
				func() (io.Closer, error) {
					return config.ListenPacket(context.Background(), test.network, address.String())
				},
				func() (io.Closer, error) {
					conn, err := block.ListenUDP(context.Background(), test.network, &net.UDPAddr{IP: test.ip, Port: port}, nil)
					if err == nil {
						err = block.Return(uint16(port))
					}
					return conn, err
				},
			}
			turns := make([][]time.Duration, len(listens))
			for b.Loop() {
				for i, listen := range listens {
					start := time.Now()
					for range binds {
						conn, err := listen()
						if err == nil {
							err = conn.Close()
						}
						if err != nil {
							b.Fatal(err)
						}
					}
					turns[i] = append(turns[i], time.Since(start))
				}
			}
			report(b, "net", turns[0], turns[2], binds)
			b.ReportMetric(float64(median(turns[2]))/float64(median(turns[1])), "x-control")
		})
	}
}

func report(b *testing.B, other string, plain, held []time.Duration, each float64) {
	b.ReportMetric(float64(median(plain).Nanoseconds())/each, other+"-ns/port")
	b.ReportMetric(float64(median(held).Nanoseconds())/each, "hold-ns/port")
	b.ReportMetric(float64(median(held))/float64(median(plain)), "x-"+other)
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}
