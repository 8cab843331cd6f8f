package sockets_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/sockets"
)

// BenchmarkListenUDP compares a bind from a reservation and its close with those of package net. The
// two take turns, a few binds each, and the medians of the turns are reported, so that what else the
// computer does disturbs both alike and hardly. "x-net" is their quotient, which the bar is about.
// The op is one turn of each.
func BenchmarkListenUDP(b *testing.B) {
	const binds = 20 // in a turn
	for _, address := range []struct {
		name string
		ip   net.IP
	}{{"loopback", net.IPv4(127, 0, 0, 1)}, {"wildcard", net.IPv4zero}} {
		b.Run("address="+address.name, func(b *testing.B) {
			process := newProcess(b)
			block, token := reserve(b, process, pool.UDP, 100)
			config := &sockets.ListenConfig{Process: process, Token: token}
			var plain, reserved []time.Duration
			for b.Loop() {
				start := time.Now()
				for range binds {
					conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: address.ip, Port: int(block.First())})
					require.NoError(b, err)
					require.NoError(b, conn.Close())
				}
				middle := time.Now()
				for range binds {
					conn, err := config.ListenUDP(b.Context(), "udp4", &net.UDPAddr{IP: address.ip})
					require.NoError(b, err)
					require.NoError(b, conn.Close())
				}
				plain, reserved = append(plain, middle.Sub(start)), append(reserved, time.Since(middle))
			}
			b.ReportMetric(float64(median(plain).Nanoseconds())/binds, "net-ns/bind")
			b.ReportMetric(float64(median(reserved).Nanoseconds())/binds, "reservation-ns/bind")
			b.ReportMetric(float64(median(reserved))/float64(median(plain)), "x-net")
		})
	}
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}
