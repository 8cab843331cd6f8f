package winsock_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// Acquire and release through the door, and by the engine alone.
func BenchmarkAcquireRelease(b *testing.B) {
	b.Run("winsock", func(b *testing.B) {
		p := start(b, newMachine(b), machine.Plain)
		s := udp(b, p)
		b.ReportAllocs()
		for b.Loop() {
			held, err := acquire(p, s, 40000, 16)
			if err == nil {
				err = release(p, s, held.token)
			}
			require.NoError(b, err)
		}
	})
	b.Run("engine", func(b *testing.B) {
		ctx := context.Background()
		program := newMachine(b).Process("ada", machine.Plain)
		defer program.Exit()
		endpoint, err := program.Open(ctx, reservation.UDP)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			held, err := endpoint.Acquire(ctx, reservation.Request{First: 40000, Count: 16})
			if err == nil {
				err = endpoint.Release(ctx, held.Token)
			}
			require.NoError(b, err)
		}
	})
}

// Open, bind to a port of the system's choice, close.
func BenchmarkBind(b *testing.B) {
	bindAndClose := func(b *testing.B, p *winsock.Process) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := p.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
			if err == nil {
				err = p.Bind(s, loopback(0))
			}
			if err == nil {
				err = p.Closesocket(s)
			}
			require.NoError(b, err)
		}
	}
	b.Run("simulated", func(b *testing.B) { bindAndClose(b, start(b, newMachine(b), machine.Plain)) })
	b.Run("real", func(b *testing.B) { bindAndClose(b, startHere(b, nil)) })
}
