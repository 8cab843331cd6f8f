package sockets_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/hold"
	"github.com/berthkit/berth/sockets/inuse"
)

// countingKeeper counts how often the system is asked to keep ports.
type countingKeeper struct {
	*hold.Keeper
	tries atomic.Int64
}

func (k *countingKeeper) Keep(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.KeptBlock, error) {
	k.tries.Add(1)
	return k.Keeper.Keep(ctx, protocol, r)
}

// countingTable counts how often the system's table of ports is read.
type countingTable struct {
	reservation.PortTable
	looks atomic.Int64
}

func (c *countingTable) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	c.looks.Add(1)
	return c.PortTable.InUse(ctx, protocol, within)
}

// newHoldingProcess is newProcess on an engine that has runtime reservations held by real sockets.
func newHoldingProcess(t testing.TB) (*reservation.Process, *countingKeeper, *countingTable) {
	keeper, table := &countingKeeper{Keeper: hold.New()}, &countingTable{PortTable: inuse.New()}
	host, err := reservation.New(context.Background(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), Ports: table, Keeper: keeper, BootID: "boot of " + t.Name(),
	})
	require.NoError(t, err)
	process := host.Process(reservation.Caller{PID: uint32(os.Getpid()), Program: "sockets.test", Elevated: true})
	probe, err := process.Open(t.Context(), pool.UDP)
	require.NoError(t, err)
	if _, err := probe.Acquire(t.Context(), reservation.Request{Count: 1}); err != nil {
		require.ErrorIs(t, err, reservation.ErrUnsupported)
		t.Skipf("this system does not hold ports with sockets: %v", err)
	}
	require.NoError(t, probe.Close())
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	return process, keeper, table
}

// acquire returns a runtime reservation that lasts until the test ends, or until its socket is closed.
func acquire(t testing.TB, process reservation.API, protocol reservation.Protocol, request reservation.Request) (*sockets.Socket, reservation.Reservation) {
	owner, err := sockets.Open(t.Context(), process, protocol)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	held, err := owner.Acquire(t.Context(), request)
	require.NoError(t, err)
	return owner, held
}

// freeRange returns a range of ports that nobody has at this moment, and that systems do not assign
// from.
func freeRange(t testing.TB, process reservation.Inspector, protocol reservation.Protocol, count int) reservation.Range {
	search := pool.Search{Within: pool.MustParseRange("10000-31999"), From: uint16(10000 + rand.IntN(20000))}
	r, err := process.Free(t.Context(), protocol, count, search)
	require.NoError(t, err)
	return r
}

// requireTaken fails unless the system refuses the port to a plain socket on each of the addresses.
func requireTaken(t *testing.T, port uint16, addresses ...string) {
	for _, address := range addresses {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address), Port: int(port)})
		if err == nil {
			conn.Close()
		}
		require.Error(t, err, "port %d on %s", port, address)
	}
}

// A port of a runtime reservation belongs to its block at the system as well: before a socket is bound
// from it, while one is, and after that was closed.
func TestHeldPortsAreTakenAtTheSystem(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	owner, held := acquire(t, process, pool.UDP, reservation.Request{Count: 3})
	port := held.Range.First()
	requireTaken(t, port, "127.0.0.1", "0.0.0.0")
	from := &sockets.ListenConfig{Process: process, Token: held.Token}
	for range 3 {
		conn, err := from.ListenUDP(t.Context(), "udp4", loopback(int(port)))
		require.NoError(t, err)
		how, wasHeld := conn.Handover()
		require.True(t, wasHeld)
		require.Contains(t, []hold.Handover{hold.Gapless, hold.WithGap}, how)
		requireTaken(t, port, "127.0.0.1")
		require.NoError(t, conn.Close())
		require.ErrorIs(t, conn.Close(), net.ErrClosed)
		requireTaken(t, port, "127.0.0.1", "0.0.0.0")
	}
	require.NoError(t, owner.Close())
	for port := range held.Range.Ports() {
		requireFree(t, pool.UDP, port)
	}
}

// Several sockets may have one port of a block where the system lets them (rule S4): at two addresses,
// or at one address by an option of theirs. The port falls back to the block with the last of them.
func TestOneHeldPortForSeveralSockets(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	_, held := acquire(t, process, pool.UDP, reservation.Request{Count: 1})
	from := &sockets.ListenConfig{Process: process, Token: held.Token}
	port := int(held.Range.First())
	first, err := from.ListenUDP(t.Context(), "udp4", loopback(port))
	require.NoError(t, err)
	_, err = from.ListenUDP(t.Context(), "udp4", loopback(port))
	require.ErrorIs(t, err, reservation.ErrInUse)
	second, err := from.ListenUDP(t.Context(), "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port})
	if errors.Is(err, syscall.EADDRNOTAVAIL) || runtime.GOOS != "linux" {
		t.Skipf("this system has one loopback address, or its guards do not stay: %v", err)
	}
	require.NoError(t, err)
	require.NoError(t, first.Close())
	requireTaken(t, uint16(port), "127.0.0.1", "127.0.0.2")
	client, err := net.DialUDP("udp4", nil, second.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	buffer := make([]byte, 16)
	n, _, err := second.ReadFrom(buffer)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buffer[:n]))
	require.NoError(t, second.Close())
	requireTaken(t, uint16(port), "127.0.0.1", "127.0.0.2")
}

func TestHeldTCPPortsAreHandedOver(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	owner, held := acquire(t, process, pool.TCP, reservation.Request{Count: 2})
	from := &sockets.ListenConfig{Process: process, Token: held.Token}
	for range 3 {
		listener, err := from.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
		require.NoError(t, err)
		require.Equal(t, int(held.Range.First()), listener.Addr().(*net.TCPAddr).Port)
		_, wasHeld := listener.Handover()
		require.True(t, wasHeld)
		client, err := net.Dial("tcp4", listener.Addr().String())
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		require.NoError(t, server.Close()) // first, so that its end stays in TIME_WAIT
		require.NoError(t, client.Close())
		require.NoError(t, listener.Close())
	}
	require.NoError(t, owner.Close())
}

// Sockets that were bound from a block keep their ports when it is released; the others are free.
func TestBoundSocketsOutliveTheirReservation(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	owner, held := acquire(t, process, pool.UDP, reservation.Request{Count: 2})
	conn, err := (&sockets.ListenConfig{Process: process, Token: held.Token}).ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	require.NoError(t, owner.Release(t.Context(), held.Token))
	requireTaken(t, udpPort(conn), "127.0.0.1")
	requireFree(t, pool.UDP, held.Range.Last())
	_, err = process.CreatePersistent(t.Context(), pool.UDP, held.Range, "")
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.NoError(t, conn.Close())
	requireFree(t, pool.UDP, held.Range.First())
	_, err = process.CreatePersistent(t.Context(), pool.UDP, held.Range, "")
	require.NoError(t, err)
}

func TestSocketsFromElsewhereWereNotHeld(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	conn, err := (&sockets.ListenConfig{Process: process}).ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	defer conn.Close()
	_, held := conn.Handover()
	require.False(t, held)
}

// With 90 of 100 ports held by strangers no request for one port fails, nor does it take more than one
// look at the system's sockets.
func TestAcquireAmongStrangersNeverFails(t *testing.T) {
	const requests = 5000
	process, keeper, table := newHoldingProcess(t)
	within := freeRange(t, process, pool.UDP, 100)
	for port := range within.Ports() {
		if port%10 == 3 {
			continue
		}
		ip := net.IPv4zero
		if port%2 == 0 {
			ip = net.IPv4(127, 0, 0, 1)
		}
		stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip, Port: int(port)})
		require.NoError(t, err)
		defer stranger.Close()
	}
	endpoint, err := process.Open(t.Context(), pool.UDP)
	require.NoError(t, err)
	defer endpoint.Close()
	keeper.tries.Store(0)
	table.looks.Store(0)
	for range requests {
		held, err := endpoint.Acquire(t.Context(), reservation.Request{Count: 1, Within: within})
		require.NoError(t, err)
		require.NoError(t, endpoint.Release(t.Context(), held.Token))
	}
	t.Logf("%d requests, %d tries, %d looks at the system's sockets", requests, keeper.tries.Load(), table.looks.Load())
	require.LessOrEqual(t, keeper.tries.Load(), int64(2*requests))
	require.LessOrEqual(t, table.looks.Load(), int64(requests))

	_, err = endpoint.Acquire(t.Context(), reservation.Request{First: within.First(), Count: 100})
	require.ErrorIs(t, err, reservation.ErrInUse)
	requireNamesUs(t, err, within.First())
	_, err = endpoint.Acquire(t.Context(), reservation.Request{Count: 2, Within: within})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	requireNamesUs(t, err, within.First())
}

// What holds our own blocks is not shown as a stranger.
func TestExplainOfAHeldBlock(t *testing.T) {
	process, _, _ := newHoldingProcess(t)
	_, held := acquire(t, process, pool.UDP, reservation.Request{Count: 3})
	conn, err := (&sockets.ListenConfig{Process: process, Token: held.Token}).ListenUDP(t.Context(), "udp4", loopback(0))
	require.NoError(t, err)
	defer conn.Close()
	told, err := process.Explain(t.Context(), pool.UDP, held.Range)
	require.NoError(t, err)
	require.Len(t, told.Blocks, 1)
	require.Equal(t, []reservation.Holder{
		{Port: held.Range.First(), PID: uint32(os.Getpid()), Program: "sockets.test", Ours: true},
	}, told.InUse)
}
