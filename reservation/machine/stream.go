package machine

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/berthkit/berth/reservation"
)

// maxBacklog is how many connections wait at most to be accepted, whatever Listen asks for.
const maxBacklog = 200

// Listen implements [reservation.NetworkSocket]. The backlog is taken as at least 1 and at most 200. A
// second Listen changes it.
func (s *socket) Listen(backlog int) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	switch {
	case s.closed:
		return reservation.ErrClosed
	case s.protocol != TCP:
		return fmt.Errorf("%w: listen on a %s socket", reservation.ErrUnsupported, s.protocol)
	case !s.isBound():
		return fmt.Errorf("%w: listen before bind", reservation.ErrState)
	case s.peer.IsValid():
		return fmt.Errorf("%w: listen on a connected socket", reservation.ErrState)
	}
	s.listens, s.backlog = true, min(max(backlog, 1), maxBacklog)
	return nil
}

// Accept implements [reservation.NetworkSocket]. With a context that is done it returns a connection
// that is there and waits for none.
func (s *socket) Accept(ctx context.Context) (reservation.NetworkSocket, error) {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	for {
		switch {
		case s.closed:
			return nil, reservation.ErrClosed
		case s.protocol != TCP:
			return nil, fmt.Errorf("%w: accept on a %s socket", reservation.ErrUnsupported, s.protocol)
		case !s.listens:
			return nil, fmt.Errorf("%w: accept before listen", reservation.ErrState)
		case len(s.pending) > 0:
			accepted := s.pending[0]
			s.pending = s.pending[1:]
			return accepted, nil
		}
		if err := s.waitLocked(ctx); err != nil {
			return nil, err
		}
	}
}

// openStreamLocked connects s to whoever listens at peer. A full backlog refuses, as on Windows.
func (s *socket) openStreamLocked(peer netip.AddrPort) error {
	n := s.network
	if s.listens || s.peer.IsValid() {
		return fmt.Errorf("%w: connect on a socket that listens or is connected", reservation.ErrState)
	}
	listener := n.listenerLocked(peer)
	if listener == nil || len(listener.pending) >= listener.backlog {
		return fmt.Errorf("%w: %s", reservation.ErrRefused, peer)
	}
	local := s.source(peer.Addr())
	for _, other := range n.spaces[TCP].socketsAt(peer.Port()) {
		if other.accepted && other.peer == local && other.local == other.show(peer) {
			return fmt.Errorf("%w: there is a connection from %s to %s", reservation.ErrInUse, local, peer)
		}
	}
	accepted := n.addLocked(listener.process, listener.family, TCP)
	accepted.options, accepted.accepted = listener.options, true
	n.enterLocked(accepted, accepted.show(peer), []netip.Addr{peer.Addr()})
	accepted.peer, accepted.partner = local, s
	s.local, s.peer, s.partner = s.show(local), peer, accepted
	listener.pending = append(listener.pending, accepted)
	listener.notifyLocked()
	return nil
}

// listenerLocked returns who listens at address, nil if nobody does: the socket on the specific
// address before the one on the wildcard, of equals the one bound first.
func (n *network) listenerLocked(address netip.AddrPort) *socket {
	var listener *socket
	best := 0
	for _, s := range n.spaces[TCP].socketsAt(address.Port()) {
		if rank := s.rank(address.Addr()); s.listens && rank > best {
			listener, best = s, rank
		}
	}
	return listener
}

func (s *socket) sendStreamLocked(ctx context.Context, data []byte) (sent int, err error) {
	for {
		switch {
		case s.closed:
			return sent, reservation.ErrClosed
		case !s.peer.IsValid():
			return sent, fmt.Errorf("%w: send on a stream that is not open", reservation.ErrNotConnected)
		case s.partner == nil:
			return sent, fmt.Errorf("%w: %s has closed the stream", reservation.ErrNotConnected, s.peer)
		}
		if part := min(len(data)-sent, receiveBuffer-len(s.partner.stream)); part > 0 {
			s.partner.stream = append(s.partner.stream, data[sent:sent+part]...)
			s.partner.notifyLocked()
			sent += part
		}
		if sent == len(data) {
			return sent, nil
		}
		if err := s.waitLocked(ctx); err != nil {
			return sent, err
		}
	}
}

func (s *socket) receiveStreamLocked(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	for {
		switch {
		case s.closed:
			return 0, netip.AddrPort{}, reservation.ErrClosed
		case !s.peer.IsValid():
			return 0, netip.AddrPort{}, fmt.Errorf("%w: receive on a stream that is not open", reservation.ErrNotConnected)
		case len(s.stream) > 0, len(data) == 0:
			size := copy(data, s.stream)
			s.stream = s.stream[size:]
			if s.partner != nil {
				s.partner.notifyLocked() // there is room again
			}
			return size, s.show(s.peer), nil
		case s.partner == nil:
			return 0, s.show(s.peer), nil
		}
		if err := s.waitLocked(ctx); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}

// hangUpLocked ends the socket's streams: its own, and those that nobody has accepted.
func (s *socket) hangUpLocked() {
	if partner := s.partner; partner != nil {
		s.partner, partner.partner = nil, nil
		partner.notifyLocked()
	}
	for _, pending := range s.pending {
		pending.closeLocked()
	}
	s.pending = nil
}
