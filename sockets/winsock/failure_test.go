package winsock_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// A failing is an engine and a network that fail as they are told.
type failing struct {
	reservation.API
	reservation.Network
	openEndpoint func(reservation.Endpoint) reservation.Endpoint
	openSocket   error
}

func (f *failing) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	endpoint, err := f.API.Open(ctx, protocol)
	if err != nil || f.openEndpoint == nil {
		return endpoint, err
	}
	return f.openEndpoint(endpoint), nil
}

func (f *failing) OpenSocket(family reservation.Family, protocol reservation.Protocol) (reservation.NetworkSocket, error) {
	if f.openSocket != nil {
		return nil, f.openSocket
	}
	return f.Network.OpenSocket(family, protocol)
}

// An endpoint whose acquire waits until it is closed, or fails.
type slowEndpoint struct {
	reservation.Endpoint
	fails           error
	entered, closed chan struct{}
}

func (e *slowEndpoint) Acquire(context.Context, reservation.Request) (reservation.Reservation, error) {
	if e.fails != nil {
		return reservation.Reservation{}, e.fails
	}
	close(e.entered)
	<-e.closed
	return reservation.Reservation{}, reservation.ErrClosed
}

func (e *slowEndpoint) Close() error {
	if e.fails == nil {
		close(e.closed)
	}
	return e.Endpoint.Close()
}

func startFailing(t *testing.T, f *failing) *winsock.Process {
	t.Helper()
	program := newMachine(t).Process("ada", machine.Plain)
	f.API, f.Network = program.API(), program.Network()
	p := winsock.New(f, f)
	t.Cleanup(func() {
		require.NoError(t, p.Exit())
		program.Exit()
	})
	return p
}

// interruptedControl returns what a control returns whose socket is closed while it works.
func interruptedControl(t *testing.T) error {
	t.Helper()
	slow := &slowEndpoint{entered: make(chan struct{}), closed: make(chan struct{})}
	p := startFailing(t, &failing{openEndpoint: func(e reservation.Endpoint) reservation.Endpoint {
		slow.Endpoint = e
		return slow
	}})
	s := udp(t, p)
	ended := make(chan error)
	go func() {
		_, err := acquire(p, s, 40000, 1)
		ended <- err
	}()
	<-slow.entered
	require.NoError(t, p.Closesocket(s))
	return <-ended
}

// What has no code of its own is a network that is down.
func TestOtherFailuresAreANetworkThatIsDown(t *testing.T) {
	broken := errors.New("the disk has gone")
	p := startFailing(t, &failing{openEndpoint: func(e reservation.Endpoint) reservation.Endpoint {
		return &slowEndpoint{Endpoint: e, fails: broken}
	}})
	_, err := acquire(p, udp(t, p), 40000, 1)
	require.Equal(t, winsock.WSAENETDOWN, err)
	require.ErrorIs(t, p.LastCause(), broken)

	p = startFailing(t, &failing{openSocket: broken})
	_, err = p.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
	require.Equal(t, winsock.WSAENETDOWN, err)
}

// A socket whose engine cannot be asked is not opened at all.
func TestSocketNeedsItsEndpoint(t *testing.T) {
	m := newMachine(t)
	program := m.Process("ada", machine.Plain)
	p := winsock.New(program.API(), winsock.RealNetwork())
	program.Exit()
	_, err := p.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
	require.Equal(t, winsock.WSAENOTSOCK, err)
	require.NoError(t, p.Exit())
}

// The engine tries the next port where a stranger has the one that it chose, and says so where the
// caller chose it.
func TestStrangersPortsArePassedOver(t *testing.T) {
	m := newMachine(t)
	stranger, p := start(t, m, machine.Plain), start(t, m, machine.Plain)
	holder := udp(t, p)
	held, err := acquire(p, holder, 40000, 3)
	require.NoError(t, err)
	require.NoError(t, m.Steal(reservation.UDP, 40000, 1))
	s := udp(t, p)
	require.NoError(t, associate(p, s, held.token))
	require.NoError(t, bind4(p, s, 0))
	require.Equal(t, 40001, localPort(t, p, s))
	require.NoError(t, stranger.Exit())
}
