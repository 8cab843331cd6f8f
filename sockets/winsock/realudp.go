package winsock

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/berthkit/berth/reservation"
)

// A realUDP is a UDP socket of this computer.
type realUDP struct {
	realSocket
	conn *net.UDPConn // nil before Bind
}

// Bind implements [reservation.NetworkSocket]. Port 0 lets the system choose.
func (s *realUDP) Bind(local netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bindLocked(local)
}

// BindKept implements [reservation.KeptSocket].
func (s *realUDP) BindKept(block reservation.KeptBlock, local netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bindKeptLocked(block, func() error { return s.bindLocked(local) })
}

func (s *realUDP) bindLocked(local netip.AddrPort) error {
	if err := s.mayBindLocked(); err != nil {
		return err
	}
	conn, err := s.listenLocked(local)
	if err != nil {
		return withCondition(err)
	}
	s.conn = conn
	s.local = s.shown(s.conn.LocalAddr())
	return nil
}

func (s *realUDP) listenLocked(local netip.AddrPort) (*net.UDPConn, error) {
	if s.held != nil {
		return s.held.ListenUDP(context.Background(), s.networkLocked("udp"), net.UDPAddrFromAddrPort(local), s.controlLocked())
	}
	config := net.ListenConfig{Control: s.controlLocked()}
	conn, err := config.ListenPacket(context.Background(), s.networkLocked("udp"), local.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Connect implements [reservation.NetworkSocket]. What others than the peer send is dropped here,
// not in the system.
func (s *realUDP) Connect(ctx context.Context, peer netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return reservation.ErrClosed
	case s.conn == nil:
		return fmt.Errorf("%w: the socket is not bound", reservation.ErrState)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	s.peer = s.inFamily(peer)
	return nil
}

// Listen implements [reservation.NetworkSocket].
func (s *realUDP) Listen(int) error { return reservation.ErrUnsupported }

// Accept implements [reservation.NetworkSocket].
func (s *realUDP) Accept(context.Context) (reservation.NetworkSocket, error) {
	return nil, reservation.ErrUnsupported
}

// Send implements [reservation.NetworkSocket].
func (s *realUDP) Send(ctx context.Context, data []byte, peer netip.AddrPort) (int, error) {
	conn, err := s.bound()
	if err != nil {
		return 0, err
	}
	if !peer.IsValid() {
		peer = s.PeerAddress()
	}
	s.mu.Lock()
	broadcast := s.options.Broadcast
	s.mu.Unlock()
	switch {
	case !peer.IsValid():
		return 0, reservation.ErrNotConnected
	case !broadcast && peer.Addr().Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return 0, fmt.Errorf("%w: a broadcast wants SO_BROADCAST", reservation.ErrDenied)
	}
	n := 0
	err = s.writes.during(ctx, conn.SetWriteDeadline, func() (err error) {
		n, err = conn.WriteToUDPAddrPort(data, peer)
		return err
	})
	return n, err
}

// Receive implements [reservation.NetworkSocket].
func (s *realUDP) Receive(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	conn, err := s.bound()
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	// One byte more than wanted tells a datagram that fits from one that was cut, on every system.
	buffer := make([]byte, len(data)+1)
	var n int
	var from netip.AddrPort
	err = s.reads.during(ctx, conn.SetReadDeadline, func() (err error) {
		for {
			if n, from, err = conn.ReadFromUDPAddrPort(buffer); err != nil {
				return err
			}
			from = s.inFamily(from)
			if peer := s.PeerAddress(); !peer.IsValid() || peer == from {
				return nil
			}
		}
	})
	copy(data, buffer[:n])
	if err == nil && n > len(data) {
		return len(data), from, reservation.ErrTooLong
	}
	return min(n, len(data)), from, err
}

func (s *realUDP) bound() (*net.UDPConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, reservation.ErrClosed
	case s.conn == nil:
		return nil, fmt.Errorf("%w: the socket is not bound", reservation.ErrState)
	}
	return s.conn, nil
}

// Close implements [reservation.NetworkSocket].
func (s *realUDP) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.conn == nil {
		return nil
	}
	s.returnLocked()
	return s.conn.Close()
}
