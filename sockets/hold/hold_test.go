//go:build unix

package hold_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// holdBlock holds count ports that were free.
func holdBlock(tb testing.TB, keeper *hold.Keeper, protocol reservation.Protocol, count int) *hold.Block {
	tb.Helper()
	var err error
	for range 200 {
		r, rangeErr := pool.RangeFrom(freePort(tb, protocol), count)
		if rangeErr != nil {
			continue
		}
		var block *hold.Block
		if block, err = keeper.Hold(tb.Context(), protocol, r); err == nil {
			tb.Cleanup(func() { require.NoError(tb, block.Close()) })
			return block
		}
		require.ErrorIs(tb, err, reservation.ErrInUse)
	}
	require.NoError(tb, err, "200 times a port of the block was taken")
	return nil
}

func freePort(tb testing.TB, protocol reservation.Protocol) uint16 {
	tb.Helper()
	if protocol == pool.UDP {
		conn, err := net.ListenUDP("udp", nil)
		require.NoError(tb, err)
		defer func() { require.NoError(tb, conn.Close()) }()
		return uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	}
	listener, err := net.ListenTCP("tcp", nil)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, listener.Close()) }()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

// open binds a socket from the block, listening if it is TCP.
func open(block *hold.Block, network, ip string, port uint16) (io.Closer, error) {
	return openIn(context.Background(), block, network, ip, port)
}

func openIn(ctx context.Context, block *hold.Block, network, ip string, port uint16) (io.Closer, error) {
	if block.Protocol() == pool.UDP {
		return block.ListenUDP(ctx, network, &net.UDPAddr{IP: net.ParseIP(ip), Port: int(port)}, nil)
	}
	return block.ListenTCP(ctx, network, &net.TCPAddr{IP: net.ParseIP(ip), Port: int(port)}, nil)
}

// bindPlain binds as any program does.
func bindPlain(protocol reservation.Protocol, ip string, port uint16) error {
	address := netip.AddrPortFrom(netip.MustParseAddr(ip), port)
	var socket io.Closer
	var err error
	if protocol == pool.UDP {
		socket, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	} else {
		socket, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	}
	if err != nil {
		return err
	}
	return socket.Close()
}

var protocols = []reservation.Protocol{pool.UDP, pool.TCP}

func forEachKeeper(t *testing.T, test func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol)) {
	for name, keeper := range map[string]*hold.Keeper{"system": hold.New(), "with a gap": hold.NewWithGap()} {
		for _, protocol := range protocols {
			t.Run(fmt.Sprintf("%s/%v", name, protocol), func(t *testing.T) { test(t, keeper, protocol) })
		}
	}
}

func TestHeldPortsRefuseEverybody(t *testing.T) {
	forEachKeeper(t, func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol) {
		block := holdBlock(t, keeper, protocol, 4)
		require.Equal(t, protocol, block.Protocol())
		for port := range block.Range().Ports() {
			for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::1", "::"} {
				require.ErrorIs(t, bindPlain(protocol, ip, port), syscall.EADDRINUSE, "%s:%d", ip, port)
			}
		}
		require.NoError(t, block.Close())
		for port := range block.Range().Ports() {
			require.NoError(t, bindPlain(protocol, "127.0.0.1", port))
		}
	})
}

func TestHoldTellsWhichPortIsTaken(t *testing.T) {
	keeper := hold.New()
	for _, protocol := range protocols {
		block := holdBlock(t, keeper, protocol, 5)
		r := block.Range()
		require.NoError(t, block.Close())
		stranger, err := keeper.Hold(t.Context(), protocol, pool.RangeOf(r.First()+3))
		require.NoError(t, err)

		kept, err := keeper.Keep(t.Context(), protocol, r)
		require.Nil(t, kept)
		require.ErrorIs(t, err, reservation.ErrInUse)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		var refused *reservation.Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, pool.RangeOf(r.First()+3), refused.Range)
		require.Equal(t, protocol, refused.Protocol)

		require.NoError(t, stranger.Close())
		kept, err = keeper.Keep(t.Context(), protocol, r) // nothing was left behind
		require.NoError(t, err)
		require.NoError(t, kept.Close())
	}
}

func TestHoldRefusesImpossibleArguments(t *testing.T) {
	_, err := hold.New().Hold(t.Context(), 0, pool.RangeOf(40000))
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = hold.New().Hold(t.Context(), pool.UDP, reservation.Range{})
	require.ErrorIs(t, err, reservation.ErrInvalid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = hold.New().Hold(ctx, pool.UDP, pool.RangeOf(40000))
	require.ErrorIs(t, err, context.Canceled)
}

func TestListenRefusesImpossibleArguments(t *testing.T) {
	udp, tcp := holdBlock(t, hold.New(), pool.UDP, 2), holdBlock(t, hold.New(), pool.TCP, 1)
	inside := int(udp.Range().First())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		network string
		address *net.UDPAddr
		want    error
	}{
		"no address":       {t.Context(), "udp", nil, reservation.ErrInvalid},
		"port outside":     {t.Context(), "udp", &net.UDPAddr{Port: int(udp.Range().Last()) + 1}, reservation.ErrInvalid},
		"negative port":    {t.Context(), "udp", &net.UDPAddr{Port: inside - 65536}, reservation.ErrInvalid},
		"port too large":   {t.Context(), "udp", &net.UDPAddr{Port: inside + 65536}, reservation.ErrInvalid},
		"network":          {t.Context(), "tcp", &net.UDPAddr{Port: inside}, reservation.ErrInvalid},
		"family 4":         {t.Context(), "udp4", &net.UDPAddr{IP: net.IPv6loopback, Port: inside}, reservation.ErrInvalid},
		"family 6":         {t.Context(), "udp6", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: inside}, reservation.ErrInvalid},
		"length":           {t.Context(), "udp", &net.UDPAddr{IP: net.IP{1, 2, 3}, Port: inside}, reservation.ErrInvalid},
		"stranger address": {t.Context(), "udp", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: inside}, reservation.ErrInvalid},
		"context":          {cancelled, "udp", &net.UDPAddr{Port: inside}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := udp.ListenUDP(test.ctx, test.network, test.address, nil)
			require.Nil(t, conn)
			require.ErrorIs(t, err, test.want)
			var refused *reservation.Error
			require.ErrorAs(t, err, &refused)
		})
	}
	_, err := tcp.ListenUDP(t.Context(), "udp", &net.UDPAddr{Port: int(tcp.Range().First())}, nil)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = udp.ListenTCP(t.Context(), "tcp", &net.TCPAddr{Port: inside}, nil)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = tcp.ListenTCP(t.Context(), "tcp", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: int(tcp.Range().First())}, nil)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	require.ErrorIs(t, bindPlain(pool.UDP, "127.0.0.1", uint16(inside)), syscall.EADDRINUSE, "the port is held after an error")
	require.ErrorIs(t, bindPlain(pool.TCP, "127.0.0.1", tcp.Range().First()), syscall.EADDRINUSE, "the port is held after an error")
}

func TestReturnedPortIsHeldAgain(t *testing.T) {
	forEachKeeper(t, func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol) {
		block := holdBlock(t, keeper, protocol, 2)
		port, network := block.Range().First(), protocol.String()
		socket, err := open(block, network, "127.0.0.1", port)
		require.NoError(t, err)
		_, err = open(block, network, "127.0.0.1", port)
		require.ErrorIs(t, err, reservation.ErrInUse)
		require.NoError(t, block.Return(port))
		require.NoError(t, block.Return(port), "not handed out any more")
		require.NoError(t, block.Return(port+1), "never handed out")
		require.NoError(t, block.Return(port-1), "not of the block")
		require.NoError(t, socket.Close())
		require.Eventually(t, func() bool {
			return errors.Is(bindPlain(protocol, "::1", port), syscall.EADDRINUSE)
		}, 5*time.Second, time.Millisecond, "held again")
		socket, err = open(block, network, "", port)
		require.NoError(t, err)
		require.NoError(t, block.Return(port))
		require.NoError(t, socket.Close())
	})
}

func TestClosedBlockHandsOutNothing(t *testing.T) {
	forEachKeeper(t, func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol) {
		block := holdBlock(t, keeper, protocol, 2)
		port := block.Range().First()
		socket, err := open(block, protocol.String(), "127.0.0.1", port)
		require.NoError(t, err)
		require.NoError(t, block.Close())
		require.NoError(t, block.Close())
		require.NoError(t, bindPlain(protocol, "127.0.0.1", port+1), "let go")
		require.ErrorIs(t, bindPlain(protocol, "127.0.0.1", port), syscall.EADDRINUSE, "the socket keeps its port")
		require.NoError(t, block.Return(port))
		require.NoError(t, socket.Close())
		require.NoError(t, bindPlain(protocol, "127.0.0.1", port))
		_, err = open(block, protocol.String(), "127.0.0.1", port)
		require.ErrorIs(t, err, reservation.ErrClosed)
	})
}

func TestControlSeesTheSocketBeforeItIsBound(t *testing.T) {
	forEachKeeper(t, func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol) {
		block := holdBlock(t, keeper, protocol, 1)
		port := block.Range().First()
		refusal := errors.New("refused by the caller")
		var seen []string
		listen := func(answer error) (io.Closer, error) {
			control := func(network, address string, c syscall.RawConn) error {
				seen = append(seen, network+" "+address)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, err := openIn(ctx, block, protocol.String(), "127.0.0.1", port)
				require.ErrorIs(t, err, context.Canceled, "the port is being handed over")
				return answer
			}
			if protocol == pool.UDP {
				return block.ListenUDP(t.Context(), "udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}, control)
			}
			return block.ListenTCP(t.Context(), "tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}, control)
		}
		_, err := listen(refusal)
		require.ErrorIs(t, err, refusal)
		require.ErrorIs(t, bindPlain(protocol, "127.0.0.1", port), syscall.EADDRINUSE, "held after an error")
		socket, err := listen(nil)
		require.NoError(t, err)
		require.NoError(t, socket.Close())
		want := fmt.Sprintf("%v4 127.0.0.1:%d", protocol, port)
		require.Equal(t, []string{want, want}, seen)
	})
}

// Who waits for a port that another goroutine hands over gives up with its context, not before.
func TestHandoverWaitsForAnother(t *testing.T) {
	block := holdBlock(t, hold.New(), pool.UDP, 1)
	port := int(block.Range().First())
	entered, leave := make(chan struct{}), make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		conn, err := block.ListenUDP(t.Context(), "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, func(string, string, syscall.RawConn) error {
			close(entered)
			<-leave
			return errors.New("not this time")
		})
		require.Nil(t, conn)
		require.Error(t, err)
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	waiting.Go(func() {
		_, err := openIn(ctx, block, "udp4", "127.0.0.1", uint16(port))
		require.ErrorIs(t, err, context.Canceled)
		close(leave)
	})
	waiting.Go(func() {
		conn, err := open(block, "udp4", "127.0.0.1", uint16(port))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	cancel()
	waiting.Wait()
}

// A block that is closed while its ports are being handed over keeps nothing.
func TestCloseDuringHandover(t *testing.T) {
	forEachKeeper(t, func(t *testing.T, keeper *hold.Keeper, protocol reservation.Protocol) {
		for range 20 {
			block := holdBlock(t, keeper, protocol, 8)
			var waiting sync.WaitGroup
			for port := range block.Range().Ports() {
				waiting.Go(func() {
					socket, err := open(block, protocol.String(), "127.0.0.1", port)
					if err == nil {
						_ = block.Return(port)
						err = socket.Close()
					}
					if !errors.Is(err, reservation.ErrClosed) {
						require.NoError(t, err)
					}
				})
			}
			require.NoError(t, block.Close())
			waiting.Wait()
			for port := range block.Range().Ports() {
				require.NoError(t, bindPlain(protocol, "127.0.0.1", port))
			}
		}
	})
}

func TestHandoverSaysWhatThisSystemDoes(t *testing.T) {
	want := hold.WithGap
	if runtime.GOOS == "linux" {
		want = hold.Gapless
	}
	require.Equal(t, want, holdBlock(t, hold.New(), pool.UDP, 1).Handover())
	require.Equal(t, "gapless", hold.Gapless.String())
	require.Equal(t, "with a gap", hold.WithGap.String())
	require.Equal(t, "Handover(0)", hold.Handover(0).String())
}
