package winsock_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// What package reservation promises of a network's sockets, of the real one.
func TestRealSocketsKeepTheContract(t *testing.T) {
	ctx := context.Background()
	network := winsock.RealNetwork()
	_, err := network.OpenSocket(5, reservation.UDP)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = network.OpenSocket(reservation.IPv4, 99)
	require.ErrorIs(t, err, reservation.ErrInvalid)

	for _, protocol := range []reservation.Protocol{reservation.UDP, reservation.TCP} {
		t.Run(protocol.String(), func(t *testing.T) {
			s, err := network.OpenSocket(reservation.IPv4, protocol)
			require.NoError(t, err)
			require.False(t, s.LocalAddress().IsValid())
			require.False(t, s.PeerAddress().IsValid())
			require.ErrorIs(t, s.SetOptions(reservation.SocketOptions{ReuseAddress: true, Exclusive: true}), reservation.ErrInvalid)
			require.ErrorIs(t, s.Connect(ctx, anyPort), reservation.ErrState)
			_, err = s.Send(ctx, nil, netip.AddrPort{})
			require.Error(t, err)
			_, err = s.Accept(ctx)
			require.Error(t, err)
			require.Error(t, s.Listen(1))
			require.ErrorIs(t, s.Bind(netip.MustParseAddrPort("192.0.2.1:0")), reservation.ErrAddress)
			require.NoError(t, s.Bind(anyPort))
			require.NotZero(t, s.LocalAddress().Port())
			require.ErrorIs(t, s.Bind(anyPort), reservation.ErrState)

			other, err := network.OpenSocket(reservation.IPv4, protocol)
			require.NoError(t, err)
			require.ErrorIs(t, other.Bind(s.LocalAddress()), reservation.ErrInUse)
			require.NoError(t, s.Close())
			require.NoError(t, s.Close())
			require.NoError(t, other.Bind(s.LocalAddress()), "and may try again")
			require.NoError(t, other.Close())

			_, err = s.Send(ctx, nil, anyPort)
			require.ErrorIs(t, err, reservation.ErrClosed)
			_, _, err = s.Receive(ctx, nil)
			require.ErrorIs(t, err, reservation.ErrClosed)
			require.ErrorIs(t, s.Bind(anyPort), reservation.ErrClosed)
			require.ErrorIs(t, s.Connect(ctx, anyPort), reservation.ErrClosed)
			require.ErrorIs(t, s.SetOptions(reservation.SocketOptions{}), reservation.ErrClosed)
			_, err = s.Accept(ctx)
			require.Error(t, err)
			require.Error(t, s.Listen(1))
		})
	}
}

// Each waits as long as its own context allows, however many wait.
func TestRealReceiversHaveTheirOwnContexts(t *testing.T) {
	s, err := winsock.RealNetwork().OpenSocket(reservation.IPv4, reservation.UDP)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Bind(anyPort))
	const receivers = 4
	errs := make(chan error)
	for i := range receivers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Millisecond)
		defer cancel()
		go func() {
			_, _, err := s.Receive(ctx, make([]byte, 1))
			errs <- err
		}()
	}
	for range receivers {
		require.ErrorIs(t, <-errs, context.DeadlineExceeded)
	}
	_, err = s.Send(context.Background(), []byte("x"), s.LocalAddress())
	require.NoError(t, err)
	n, _, err := s.Receive(context.Background(), make([]byte, 1))
	require.NoError(t, err, "no deadline is left behind")
	require.Equal(t, 1, n)
}

// A refused connection leaves the socket bound where it was.
func TestRefusedConnectionKeepsThePort(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		gone, nobody := bound(t, p, tcp(t, p))
		require.NoError(t, p.Closesocket(gone))
		s, port := bound(t, p, tcp(t, p))
		require.Equal(t, winsock.WSAECONNREFUSED, p.Connect(s, loopback(nobody)))
		require.Equal(t, port, localPort(t, p, s))
		require.NoError(t, p.Listen(s, 1))
		client := tcp(t, p)
		require.NoError(t, p.Connect(client, loopback(port)))
	})
}

// A socket that is closed while it connects does not keep anybody waiting, and nothing stays open.
func TestCloseEndsAConnect(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		listener, port := bound(t, p, tcp(t, p))
		require.NoError(t, p.Listen(listener, winsock.SOMAXCONN))
		for range 20 {
			s := tcp(t, p)
			ended := make(chan error)
			go func() { ended <- p.Connect(s, loopback(port)) }()
			require.NoError(t, p.Closesocket(s))
			if err := <-ended; err != nil {
				require.Contains(t, []winsock.Errno{winsock.WSAEINTR, winsock.WSAENOTSOCK}, err)
			}
		}
	})
}

// A port of the block that a stranger's real socket has is passed over, and told where it was asked for.
func TestRealStrangersAreFound(t *testing.T) {
	stranger, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer stranger.Close()
	taken := stranger.LocalAddr().(*net.UDPAddr).Port
	if taken > 65500 {
		t.Skipf("port %d leaves no room for a block", taken)
	}
	p := startHere(t, nil)
	held, err := acquire(p, udp(t, p), uint16(taken), 32)
	require.NoError(t, err)
	s := udp(t, p)
	require.NoError(t, associate(p, s, held.token))
	require.Equal(t, winsock.WSAEADDRINUSE, p.Bind(s, loopback(taken)))
	require.NoError(t, p.Bind(s, loopback(0)))
	require.Greater(t, localPort(t, p, s), taken)
	require.Less(t, localPort(t, p, s), taken+32)
}

func TestRealSocketsShareAPort(t *testing.T) {
	p := startHere(t, nil)
	share := func() winsock.Handle {
		s := udp(t, p)
		require.NoError(t, p.SetsockoptInt(s, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1))
		return s
	}
	_, port := bound(t, p, share())
	require.NoError(t, p.Bind(share(), loopback(port)))
	require.Equal(t, winsock.WSAEADDRINUSE, p.Bind(udp(t, p), loopback(port)))
}

// A taggingEndpoint is of a system that must see a real socket before its bind.
type taggingEndpoint struct {
	reservation.Endpoint
	tag func(syscall.RawConn) error
}

func (e taggingEndpoint) TagSocket(socket syscall.RawConn) error { return e.tag(socket) }

func TestRealSocketIsShownBeforeItsBind(t *testing.T) {
	program := newMachine(t).Process("ada", machine.Plain)
	defer program.Exit()
	shown := 0
	var refusal error
	engine := &failing{API: program.API(), openEndpoint: func(e reservation.Endpoint) reservation.Endpoint {
		return taggingEndpoint{e, func(c syscall.RawConn) error {
			shown++
			return errors.Join(refusal, c.Control(func(uintptr) {}))
		}}
	}}
	p := winsock.New(engine, winsock.RealNetwork())
	defer p.Exit()
	bound(t, p, udp(t, p))
	bound(t, p, tcp(t, p))
	require.Equal(t, 2, shown)
	refusal = reservation.ErrDenied
	require.Equal(t, winsock.WSAEACCES, p.Bind(udp(t, p), loopback(0)))
}
