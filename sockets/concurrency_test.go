package sockets_test

import (
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
)

// roundsVariable sets the rounds of TestSixtyFourBindersGetSixtyFourPorts.
const roundsVariable = "BERTH_BIND_ROUNDS"

// TestSixtyFourBindersGetSixtyFourPorts lets as many goroutines as a block has ports bind at once:
// everyone gets a port of its own, nobody fails.
func TestSixtyFourBindersGetSixtyFourPorts(t *testing.T) {
	const binders = 64
	rounds := 200
	if set := os.Getenv(roundsVariable); set != "" {
		var err error
		rounds, err = strconv.Atoi(set)
		require.NoError(t, err, roundsVariable)
	}
	process := newProcess(t)
	_, token := reserve(t, process, pool.UDP, binders)
	config := &sockets.ListenConfig{Process: process, Token: token}
	for round := range rounds {
		var group sync.WaitGroup
		start := make(chan struct{})
		conns, errs := make([]*sockets.UDPConn, binders), make([]error, binders)
		for i := range binders {
			group.Go(func() {
				<-start
				conns[i], errs[i] = config.ListenUDP(t.Context(), "udp4", loopback(0))
			})
		}
		close(start)
		group.Wait()
		seen := make(map[uint16]bool, binders)
		for i, conn := range conns {
			require.NoError(t, errs[i], "round %d", round)
			seen[udpPort(conn)] = true
		}
		require.Len(t, seen, binders, "round %d", round)
		for _, conn := range conns {
			group.Go(func() { _ = conn.Close() })
		}
		group.Wait()
	}
}

// TestBindersAndClosersDoNotMeet binds and closes without a pause: a port that is given back is
// free at the system as well, so a full house of binders never fails.
func TestBindersAndClosersDoNotMeet(t *testing.T) {
	const binders, rounds = 16, 200
	process := newProcess(t)
	_, token := reserve(t, process, pool.UDP, binders)
	config := &sockets.ListenConfig{Process: process, Token: token}
	errs := make(chan error, binders)
	for range binders {
		go func() {
			for range rounds {
				conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
				if err != nil {
					errs <- err
					return
				}
				if err := conn.Close(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range binders {
		require.NoError(t, <-errs)
	}
}

func TestConcurrentCloseGivesBackOnce(t *testing.T) {
	process := &countingProcess{API: newProcess(t)}
	config := &sockets.ListenConfig{Process: process}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	listener, err := config.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	require.NoError(t, err)
	const closers = 16
	errs := make(chan error, 2*closers)
	for range closers {
		go func() { errs <- conn.Close(); errs <- listener.Close() }()
	}
	succeeded := 0
	for range 2 * closers {
		if err := <-errs; err == nil {
			succeeded++
		} else {
			require.ErrorIs(t, err, net.ErrClosed)
		}
	}
	require.Equal(t, 2, succeeded, "one close of each did it")
	require.EqualValues(t, 2, process.closes.Load())
}

func TestCloseUnblocksReadAndAccept(t *testing.T) {
	config := &sockets.ListenConfig{Process: newProcess(t)}
	conn, err := config.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	require.NoError(t, err)
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	errs := make(chan error)
	go func() { _, _, err := conn.ReadFrom(make([]byte, 1)); errs <- err }()
	go func() { _, err := listener.Accept(); errs <- err }()
	require.NoError(t, conn.Close())
	require.NoError(t, listener.Close())
	require.ErrorIs(t, <-errs, net.ErrClosed)
	require.ErrorIs(t, <-errs, net.ErrClosed)
}

func TestDeadlineDescriptorAndRawConnAreNets(t *testing.T) {
	config := &sockets.ListenConfig{Process: newProcess(t)}
	conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	_, _, err = conn.ReadFrom(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	called := false
	require.NoError(t, raw.Control(func(uintptr) { called = true }))
	require.True(t, called)

	file, err := conn.File()
	if err != nil {
		t.Skipf("this system does not give out descriptors: %v", err)
	}
	copied, err := net.FilePacketConn(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, conn.LocalAddr().String(), copied.LocalAddr().String())
	require.NoError(t, copied.Close())
}

// TestAnyOrderOfBindsAndCloses compares a small block with the set of its ports.
func TestAnyOrderOfBindsAndCloses(t *testing.T) {
	process := newProcess(t)
	block, token := reserve(t, process, pool.UDP, 5)
	config := &sockets.ListenConfig{Process: process, Token: token}
	rapid.Check(t, func(rt *rapid.T) {
		bound := make(map[uint16]*sockets.UDPConn)
		defer func() {
			for _, conn := range bound {
				conn.Close()
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"bind any": func(rt *rapid.T) {
				conn, err := config.ListenUDP(t.Context(), "udp4", loopback(0))
				if len(bound) == block.Count() {
					require.ErrorIs(rt, err, reservation.ErrExhausted)
					return
				}
				require.NoError(rt, err)
				require.NotContains(rt, bound, udpPort(conn))
				require.True(rt, block.Contains(udpPort(conn)))
				bound[udpPort(conn)] = conn
			},
			"bind one": func(rt *rapid.T) {
				port := block.First() + uint16(rapid.IntRange(0, block.Count()-1).Draw(rt, "port"))
				conn, err := config.ListenUDP(t.Context(), "udp4", loopback(int(port)))
				if bound[port] != nil {
					require.ErrorIs(rt, err, reservation.ErrInUse)
					return
				}
				require.NoError(rt, err)
				require.Equal(rt, port, udpPort(conn))
				bound[port] = conn
			},
			"close one": func(rt *rapid.T) {
				for port := range block.Ports() {
					if conn := bound[port]; conn != nil && rapid.Bool().Draw(rt, "this one") {
						require.NoError(rt, conn.Close())
						delete(bound, port)
						return
					}
				}
			},
		})
	})
}
