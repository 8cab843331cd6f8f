package winsock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A realTCP is a TCP socket of this computer.
type realTCP struct {
	realSocket
	listener  *net.TCPListener // from Bind until Connect
	conn      *net.TCPConn     // from Connect or Accept on
	listening bool
	connects  context.CancelFunc // ends the connect that is on its way; nil if none is
}

// Bind implements [reservation.NetworkSocket]. Port 0 lets the system choose.
func (s *realTCP) Bind(local netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayBindLocked(); err != nil {
		return err
	}
	return s.bindLocked(local)
}

// BindKept implements [reservation.KeptSocket].
func (s *realTCP) BindKept(block reservation.KeptBlock, local netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayBindLocked(); err != nil {
		return err
	}
	return s.bindKeptLocked(block, func() error { return s.bindLocked(local) })
}

func (s *realTCP) bindLocked(local netip.AddrPort) error {
	listener, err := s.listenLocked(local)
	if err != nil {
		return withCondition(err)
	}
	s.listener = listener
	s.local = s.shown(listener.Addr())
	return nil
}

func (s *realTCP) listenLocked(local netip.AddrPort) (*net.TCPListener, error) {
	if s.held != nil {
		return s.held.ListenTCP(context.Background(), s.networkLocked("tcp"), net.TCPAddrFromAddrPort(local), s.controlLocked())
	}
	config := net.ListenConfig{Control: s.controlLocked()}
	listener, err := config.Listen(context.Background(), s.networkLocked("tcp"), local.String())
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// Connect implements [reservation.NetworkSocket].
func (s *realTCP) Connect(ctx context.Context, peer netip.AddrPort) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dialer, network, err := s.beginConnect(cancel)
	if err != nil {
		return err
	}
	conn, err := dialer.DialContext(ctx, network, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()).String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connects = nil
	if s.closed {
		if err == nil {
			_ = conn.Close()
		}
		return reservation.ErrClosed
	}
	if err != nil {
		_ = s.bindLocked(s.local) // keeps the port, if nobody was faster, for another attempt
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return withCondition(err)
	}
	s.conn = conn.(*net.TCPConn)
	s.local, s.peer = s.shown(conn.LocalAddr()), s.shown(conn.RemoteAddr())
	return nil
}

// beginConnect gives up the listener so that the connection can have its port.
func (s *realTCP) beginConnect(cancel context.CancelFunc) (dialer net.Dialer, network string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return dialer, "", reservation.ErrClosed
	case !s.local.IsValid(), s.conn != nil, s.connects != nil, s.listening:
		return dialer, "", fmt.Errorf("%w: the socket is not bound, or connects or listens already", reservation.ErrState)
	}
	if s.listener != nil {
		s.returnLocked()
		_ = s.listener.Close()
		s.listener = nil
	}
	s.connects = cancel
	if s.held != nil {
		return net.Dialer{Control: s.bindHeldLocked()}, s.networkLocked("tcp"), nil
	}
	local := net.TCPAddr{Port: int(s.local.Port())}
	if ip := s.local.Addr(); !ip.IsUnspecified() {
		local.IP, local.Zone = ip.AsSlice(), ip.Zone()
	}
	return net.Dialer{LocalAddr: &local, Control: s.controlLocked()}, s.networkLocked("tcp"), nil
}

// bindHeldLocked returns what prepares the system's socket for its connection: package net's dialer
// would bind it plainly, but the port is held.
func (s *realTCP) bindHeldLocked() func(network, address string, c syscall.RawConn) error {
	prepare, held, local := s.controlLocked(), s.held, s.local
	return func(network, address string, c syscall.RawConn) error {
		if err := prepare(network, address, c); err != nil {
			return err
		}
		from := local
		switch ip := local.Addr(); {
		case network != "tcp4":
		case ip == netip.IPv6Unspecified():
			from = netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port())
		default:
			from = netip.AddrPortFrom(ip.Unmap(), local.Port())
		}
		var failed error
		err := c.Control(func(fd uintptr) { failed = held.Bind(int(fd), from) })
		return errors.Join(err, failed)
	}
}

// Listen implements [reservation.NetworkSocket]. The system's own backlog counts.
func (s *realTCP) Listen(int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return reservation.ErrClosed
	case s.listener == nil:
		return fmt.Errorf("%w: the socket is not bound, or is connected", reservation.ErrState)
	}
	s.listening = true
	return nil
}

// Accept implements [reservation.NetworkSocket].
func (s *realTCP) Accept(ctx context.Context) (reservation.NetworkSocket, error) {
	s.mu.Lock()
	listener, listening, closed, options := s.listener, s.listening, s.closed, s.options
	s.mu.Unlock()
	switch {
	case closed:
		return nil, reservation.ErrClosed
	case !listening:
		return nil, fmt.Errorf("%w: the socket does not listen", reservation.ErrState)
	}
	var conn *net.TCPConn
	err := s.reads.during(ctx, listener.SetDeadline, func() (err error) {
		conn, err = listener.AcceptTCP()
		return err
	})
	if err != nil {
		return nil, err
	}
	accepted := &realTCP{conn: conn}
	accepted.open(s.family)
	accepted.options = options
	accepted.local, accepted.peer = s.shown(conn.LocalAddr()), s.shown(conn.RemoteAddr())
	return accepted, nil
}

// Send implements [reservation.NetworkSocket].
func (s *realTCP) Send(ctx context.Context, data []byte, _ netip.AddrPort) (int, error) {
	conn, err := s.connected()
	if err != nil {
		return 0, err
	}
	n := 0
	err = s.writes.during(ctx, conn.SetWriteDeadline, func() (err error) {
		n, err = conn.Write(data)
		return err
	})
	return n, err
}

// Receive implements [reservation.NetworkSocket].
func (s *realTCP) Receive(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	conn, err := s.connected()
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	n := 0
	err = s.reads.during(ctx, conn.SetReadDeadline, func() (err error) {
		n, err = conn.Read(data)
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	return n, s.PeerAddress(), err
}

func (s *realTCP) connected() (*net.TCPConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, reservation.ErrClosed
	case s.conn == nil:
		return nil, reservation.ErrNotConnected
	}
	return s.conn, nil
}

// CloseWrite ends the stream to the peer.
func (s *realTCP) CloseWrite() error {
	conn, err := s.connected()
	if err != nil {
		return err
	}
	return withCondition(conn.CloseWrite())
}

// Close implements [reservation.NetworkSocket].
func (s *realTCP) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.connects != nil {
		s.connects()
	}
	s.returnLocked()
	var err error
	if s.listener != nil {
		err = s.listener.Close()
	}
	if s.conn != nil {
		err = s.conn.Close()
	}
	return err
}
