package sockets_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
)

func TestSocketInWinsocksOrder(t *testing.T) {
	process := newProcess(t)
	socket, err := sockets.Open(t.Context(), process, pool.UDP)
	require.NoError(t, err)
	acquired, err := socket.Acquire(t.Context(), reservation.Request{Count: 3})
	require.NoError(t, err)
	require.NoError(t, socket.Associate(t.Context(), acquired.Token))
	conn, err := socket.BindUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.True(t, acquired.Range.Contains(udpPort(conn)))

	second, err := sockets.Open(t.Context(), process, pool.UDP)
	require.NoError(t, err)
	require.NoError(t, second.Associate(t.Context(), acquired.Token))
	sibling, err := second.BindUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.True(t, acquired.Range.Contains(udpPort(sibling)))
	require.NotEqual(t, udpPort(conn), udpPort(sibling))

	require.NoError(t, socket.Close())
	require.NoError(t, socket.Close())
	require.ErrorIs(t, conn.Close(), net.ErrClosed, "the socket and what it was bound as are one")
	blocks, err := process.List(t.Context(), pool.UDP)
	require.NoError(t, err)
	require.Empty(t, blocks, "the reservation ended with the socket that acquired it")
	_, err = sibling.WriteToUDP([]byte("x"), loopback(int(udpPort(sibling))))
	require.NoError(t, err, "a socket bound from it lives on")
	require.NoError(t, second.Close())
}

func TestSocketBindTCP(t *testing.T) {
	socket, err := sockets.Open(t.Context(), newProcess(t), pool.TCP)
	require.NoError(t, err)
	acquired, err := socket.Acquire(t.Context(), reservation.Request{Count: 1})
	require.NoError(t, err)
	require.NoError(t, socket.Associate(t.Context(), acquired.Token))
	controlled := false
	socket.Control = func(string, string, syscall.RawConn) error { controlled = true; return nil }
	listener, err := socket.BindTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.NoError(t, err)
	require.True(t, controlled)
	require.Equal(t, acquired.Range.First(), tcpPort(listener))
	require.NoError(t, listener.Close())
	require.NoError(t, socket.Close(), "closed already by its listener")
}

func TestSocketMisuse(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 2)
	socket, err := sockets.Open(t.Context(), process, pool.UDP)
	require.NoError(t, err)
	_, err = socket.BindTCP(t.Context(), "tcp4", nil)
	require.ErrorIs(t, err, reservation.ErrState)
	_, err = socket.BindUDP(t.Context(), "tcp4", nil)
	require.ErrorIs(t, err, reservation.ErrInvalid)

	require.NoError(t, socket.Associate(t.Context(), token))
	stranger, err := net.ListenUDP("udp4", loopback(int(block.First())))
	require.NoError(t, err)
	defer stranger.Close()
	_, err = socket.BindUDP(t.Context(), "udp4", loopback(int(block.First())))
	require.ErrorIs(t, err, reservation.ErrInUse)
	conn, err := socket.BindUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err, "a failed bind leaves the socket as it was")
	require.Equal(t, block.Last(), udpPort(conn))

	_, err = socket.BindUDP(t.Context(), "udp4", loopback(0))
	require.ErrorIs(t, err, reservation.ErrState, "bound twice")
	require.ErrorIs(t, socket.Associate(t.Context(), token), reservation.ErrState, "associated after the bind")
	require.NoError(t, socket.Close())

	require.ErrorIs(t, socket.Associate(t.Context(), token), reservation.ErrClosed)
	require.ErrorIs(t, socket.Release(t.Context(), token), reservation.ErrClosed)
	_, err = socket.Acquire(t.Context(), reservation.Request{Count: 1})
	require.ErrorIs(t, err, reservation.ErrClosed)
	_, err = socket.BindUDP(t.Context(), "udp4", nil)
	require.ErrorIs(t, err, reservation.ErrClosed)
}

func TestSocketClosedWhileBinding(t *testing.T) {
	for _, protocol := range pool.Protocols() {
		t.Run(protocol.String(), func(t *testing.T) {
			process := newProcess(t)
			block, token := reserve(t, process, protocol, 1)
			socket, err := sockets.Open(t.Context(), process, protocol)
			require.NoError(t, err)
			require.NoError(t, socket.Associate(t.Context(), token))
			socket.Control = func(string, string, syscall.RawConn) error { return socket.Close() }
			if protocol == pool.UDP {
				_, err = socket.BindUDP(t.Context(), "udp4", loopback(0))
			} else {
				_, err = socket.BindTCP(t.Context(), "tcp4", loopbackTCP(0))
			}
			require.ErrorIs(t, err, reservation.ErrClosed)
			requireFree(t, protocol, block.First())
		})
	}
}
