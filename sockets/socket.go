package sockets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A Socket is a socket in Winsock's order: open it, acquire a reservation or associate one, bind it,
// close it. It is safe for concurrent use. Make one with [Open].
//
// It stands for one socket from beginning to end, so closing it closes the UDPConn or TCPListener
// that it was bound as, and closing that ends the reservations that were acquired through it.
type Socket struct {
	// Control is called before the real socket is bound, as [ListenConfig.Control] is. It is set, if
	// at all, before BindUDP or BindTCP is called. Nil calls nothing.
	Control func(network, address string, c syscall.RawConn) error

	protocol reservation.Protocol
	endpoint reservation.Endpoint

	mu     sync.Mutex // guards the fields below
	bound  io.Closer  // the UDPConn or TCPListener, nil until there is one
	closed bool
}

// Open returns a new socket of the process. It must be closed.
func Open(ctx context.Context, process reservation.API, protocol reservation.Protocol) (*Socket, error) {
	if process == nil {
		return nil, &reservation.Error{Op: "open", Protocol: protocol,
			Err: fmt.Errorf("%w: the process is nil", reservation.ErrInvalid)}
	}
	endpoint, err := process.Open(ctx, protocol)
	if err != nil {
		return nil, err
	}
	return &Socket{protocol: protocol, endpoint: endpoint}, nil
}

// Acquire makes a runtime reservation that lasts until it is released or the socket is closed; see
// [reservation.Endpoint]. To bind from it, associate its token.
func (s *Socket) Acquire(ctx context.Context, request reservation.Request) (reservation.Reservation, error) {
	return s.endpoint.Acquire(ctx, request)
}

// Release ends a runtime reservation of the process; see [reservation.Endpoint].
func (s *Socket) Release(ctx context.Context, token reservation.Token) error {
	return s.endpoint.Release(ctx, token)
}

// Associate makes the bind to come draw from the block that token names; see [reservation.Endpoint].
// It must come before BindUDP or BindTCP, else it returns ErrState.
func (s *Socket) Associate(ctx context.Context, token reservation.Token) error {
	return s.endpoint.Associate(ctx, token)
}

// BindUDP binds the socket. Network, address and errors are those of [ListenConfig.ListenUDP]; a
// second bind, and a bind of a TCP socket, is ErrState. After an error the socket is as before.
func (s *Socket) BindUDP(ctx context.Context, network string, laddr *net.UDPAddr) (*UDPConn, error) {
	if laddr == nil {
		laddr = &net.UDPAddr{}
	}
	if err := s.check(reservation.UDP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	conn, err := bindUDP(ctx, s.endpoint, s.Control, network, laddr)
	if err != nil {
		return nil, err
	}
	if err := s.keep(conn); err != nil {
		return nil, err
	}
	return conn, nil
}

// BindTCP binds the socket and listens. It is to TCP what [Socket.BindUDP] is to UDP.
func (s *Socket) BindTCP(ctx context.Context, network string, laddr *net.TCPAddr) (*TCPListener, error) {
	if laddr == nil {
		laddr = &net.TCPAddr{}
	}
	if err := s.check(reservation.TCP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	listener, err := bindTCP(ctx, s.endpoint, s.Control, network, laddr)
	if err != nil {
		return nil, err
	}
	if err := s.keep(listener); err != nil {
		return nil, err
	}
	return listener, nil
}

// Close closes the socket, bound or not. Its port goes back, its runtime reservations end. Later
// calls of other methods return ErrClosed; Close itself returns nil again.
func (s *Socket) Close() error {
	s.mu.Lock()
	s.closed = true
	bound := s.bound
	s.mu.Unlock()
	if bound == nil {
		return s.endpoint.Close()
	}
	if err := bound.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *Socket) check(protocol reservation.Protocol, network string, ip net.IP, port int) error {
	if s.protocol != protocol {
		return &reservation.Error{Op: "bind", Protocol: protocol,
			Err: fmt.Errorf("%w: the socket was opened for %v", reservation.ErrState, s.protocol)}
	}
	return checkAddress(protocol, network, ip, port)
}

// keep remembers what the socket was bound as. If the socket was closed meanwhile, that is closed too.
func (s *Socket) keep(bound io.Closer) error {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.bound = bound
	}
	s.mu.Unlock()
	if !closed {
		return nil
	}
	_ = bound.Close()
	return &reservation.Error{Op: "bind", Protocol: s.protocol, Err: reservation.ErrClosed}
}
