package sockets_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/sockets"
)

// BenchmarkListenUDP compares binding from a reservation with package net's own: a bind and a close
// each. How=net binds one port of the block again and again; how=net-any lets the system choose.
func BenchmarkListenUDP(b *testing.B) {
	for _, address := range []struct {
		name string
		ip   net.IP
	}{{"loopback", net.IPv4(127, 0, 0, 1)}, {"wildcard", net.IPv4zero}} {
		process := newProcess(b)
		block, token := reserve(b, process, pool.UDP, 100)
		config := &sockets.ListenConfig{Process: process, Token: token}
		b.Run("address="+address.name+"/how=net", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: address.ip, Port: int(block.First())})
				require.NoError(b, err)
				require.NoError(b, conn.Close())
			}
		})
		b.Run("address="+address.name+"/how=net-any", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: address.ip})
				require.NoError(b, err)
				require.NoError(b, conn.Close())
			}
		})
		b.Run("address="+address.name+"/how=reservation", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn, err := config.ListenUDP(b.Context(), "udp4", &net.UDPAddr{IP: address.ip})
				require.NoError(b, err)
				require.NoError(b, conn.Close())
			}
		})
	}
}
