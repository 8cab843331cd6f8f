package sockets_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
)

// takeTurns lets two ways of doing the same work take turns, so that what else the computer does
// disturbs both alike and hardly, and reports the medians of the turns for one of count pieces of
// work. "x-net" is their quotient, which the bar is about. The op is one turn of each.
func takeTurns(b *testing.B, count int, plain, reserved func()) {
	var plainly, reservedly []time.Duration
	for b.Loop() {
		start := time.Now()
		plain()
		middle := time.Now()
		reserved()
		plainly, reservedly = append(plainly, middle.Sub(start)), append(reservedly, time.Since(middle))
	}
	b.ReportMetric(float64(median(plainly).Nanoseconds())/float64(count), "net-ns/bind")
	b.ReportMetric(float64(median(reservedly).Nanoseconds())/float64(count), "reservation-ns/bind")
	b.ReportMetric(float64(median(reservedly))/float64(median(plainly)), "x-net")
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// reserved returns what binds from a block, and the block: one of a persistent reservation, or of a
// runtime reservation that real sockets hold.
var reserved = map[string]func(*testing.B, reservation.Protocol) (*sockets.ListenConfig, reservation.Range){
	"persistent": func(b *testing.B, protocol reservation.Protocol) (*sockets.ListenConfig, reservation.Range) {
		process := newProcess(b)
		block, token := reserve(b, process, protocol, 100)
		return &sockets.ListenConfig{Process: process, Token: token}, block
	},
	"held": func(b *testing.B, protocol reservation.Protocol) (*sockets.ListenConfig, reservation.Range) {
		process, _, _ := newHoldingProcess(b)
		_, held := acquire(b, process, protocol, reservation.Request{Count: 100})
		return &sockets.ListenConfig{Process: process, Token: held.Token}, held.Range
	},
}

const binds = 20 // in a turn

// BenchmarkListenUDP compares a bind from a reservation and its close with those of package net.
func BenchmarkListenUDP(b *testing.B) {
	for _, kind := range []string{"persistent", "held"} {
		for _, address := range []struct {
			name string
			ip   net.IP
		}{{"loopback", net.IPv4(127, 0, 0, 1)}, {"wildcard", net.IPv4zero}} {
			b.Run("reservation="+kind+"/address="+address.name, func(b *testing.B) {
				from, _ := reserved[kind](b, pool.UDP)
				beside := freeRange(b, newProcess(b), pool.UDP, 1)
				plainly := &net.UDPAddr{IP: address.ip, Port: int(beside.First())}
				takeTurns(b, binds, func() {
					for range binds {
						conn, err := net.ListenUDP("udp4", plainly)
						require.NoError(b, err)
						require.NoError(b, conn.Close())
					}
				}, func() {
					for range binds {
						conn, err := from.ListenUDP(b.Context(), "udp4", &net.UDPAddr{IP: address.ip})
						require.NoError(b, err)
						require.NoError(b, conn.Close())
					}
				})
			})
		}
	}
}

// BenchmarkListenTCP is to TCP what BenchmarkListenUDP is to UDP.
func BenchmarkListenTCP(b *testing.B) {
	for _, kind := range []string{"persistent", "held"} {
		b.Run("reservation="+kind, func(b *testing.B) {
			from, _ := reserved[kind](b, pool.TCP)
			beside := freeRange(b, newProcess(b), pool.TCP, 1)
			takeTurns(b, binds, func() {
				for range binds {
					listener, err := net.ListenTCP("tcp4", loopbackTCP(int(beside.First())))
					require.NoError(b, err)
					require.NoError(b, listener.Close())
				}
			}, func() {
				for range binds {
					listener, err := from.ListenTCP(b.Context(), "tcp4", loopbackTCP(0))
					require.NoError(b, err)
					require.NoError(b, listener.Close())
				}
			})
		})
	}
}

// BenchmarkAcquireHundred compares the acquire and the release of 100 ports that are held by real
// sockets with binding 100 sockets and closing them: dual-stack ones of package net.
func BenchmarkAcquireHundred(b *testing.B) {
	const ports = 100
	process, _, _ := newHoldingProcess(b)
	endpoint, err := process.Open(b.Context(), pool.UDP)
	require.NoError(b, err)
	defer endpoint.Close()
	beside := freeRange(b, process, pool.UDP, ports)
	sockets := make([]io.Closer, ports)
	takeTurns(b, ports, func() {
		for i := range sockets {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(beside.First()) + i})
			require.NoError(b, err)
			sockets[i] = conn
		}
		for _, conn := range sockets {
			require.NoError(b, conn.Close())
		}
	}, func() {
		held, err := endpoint.Acquire(b.Context(), reservation.Request{Count: ports})
		require.NoError(b, err)
		require.NoError(b, endpoint.Release(b.Context(), held.Token))
	})
}
