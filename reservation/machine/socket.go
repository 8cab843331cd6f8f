package machine

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/berthkit/berth/reservation"
)

// A socket is one socket of a simulated network. The network's mu guards its changing fields.
type socket struct {
	network  *network
	process  *Process
	number   uint64 // in the order of opening
	family   reservation.Family
	protocol Protocol

	options   reservation.SocketOptions
	addresses []netip.Addr   // that it occupies: specific ones, or the wildcard of a family
	bound     netip.AddrPort // by Bind
	local     netip.AddrPort // as shown: a connected socket has a specific address
	peer      netip.AddrPort // never in IPv4-mapped form
	closed    bool
	changed   chan struct{} // closed at the next change, nil while nobody waits for one

	datagrams []datagram // received
	buffered  int        // bytes of datagrams, or of the stream

	accepted bool // it came to be by a listener, on the listener's port
	listens  bool
	backlog  int
	pending  []*socket // connections that nobody has accepted yet
	partner  *socket   // the other end of the stream, nil once that is closed
	stream   []byte    // received
}

var _ reservation.NetworkSocket = (*socket)(nil)

// SetOptions implements [reservation.NetworkSocket]. After Bind only Broadcast may change; anything
// else is ErrState then.
func (s *socket) SetOptions(options reservation.SocketOptions) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	before := s.options
	before.Broadcast = options.Broadcast
	switch {
	case s.closed:
		return reservation.ErrClosed
	case options.ReuseAddress && options.Exclusive:
		return fmt.Errorf("%w: a socket cannot be exclusive and let others reuse its address", reservation.ErrInvalid)
	case options.DualMode && s.family != reservation.IPv6:
		return fmt.Errorf("%w: only an IPv6 socket can be dual mode", reservation.ErrInvalid)
	case s.isBound() && options != before:
		return fmt.Errorf("%w: options come before bind", reservation.ErrState)
	}
	s.options = options
	return nil
}

func (s *socket) isBound() bool { return s.bound.Port() != 0 }

// Bind implements [reservation.NetworkSocket].
func (s *socket) Bind(local netip.AddrPort) error {
	n := s.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.closed {
		return reservation.ErrClosed
	}
	n.stealLocked(s.protocol)
	return s.bindLocked(local)
}

func (s *socket) bindLocked(local netip.AddrPort) error {
	switch {
	case s.isBound():
		return fmt.Errorf("%w: the socket is bound to %s", reservation.ErrState, s.bound)
	case local.Port() == 0:
		return fmt.Errorf("%w: bind to port 0; choosing a port is the endpoint's part", reservation.ErrInvalid)
	}
	addresses, err := s.localAddresses(local.Addr())
	if err != nil {
		return err
	}
	if err := s.network.admitLocked(s, local.Port(), addresses); err != nil {
		return err
	}
	s.network.enterLocked(s, local, addresses)
	return nil
}

// Connect implements [reservation.NetworkSocket]. Of a UDP socket the zero peer takes the peer away.
func (s *socket) Connect(ctx context.Context, peer netip.AddrPort) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	switch {
	case s.closed:
		return reservation.ErrClosed
	case !s.isBound():
		return fmt.Errorf("%w: connect before bind", reservation.ErrState)
	case s.protocol == UDP && peer == netip.AddrPort{}:
		s.local, s.peer = s.bound, netip.AddrPort{}
		return nil
	}
	plain, err := s.checkPeer(peer)
	if err != nil {
		return err
	}
	if s.protocol == TCP {
		return s.openStreamLocked(plain)
	}
	s.peer, s.local = plain, s.show(s.source(plain.Addr()))
	return nil
}

// Send implements [reservation.NetworkSocket]. A datagram that nobody takes, or for which its receiver
// has no room, is lost without an error. A stream takes all of data before Send returns, or, with a
// context that is done, as much as there is room for.
func (s *socket) Send(ctx context.Context, data []byte, peer netip.AddrPort) (int, error) {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	if s.closed {
		return 0, reservation.ErrClosed
	}
	if s.protocol == TCP {
		return s.sendStreamLocked(ctx, data)
	}
	return s.sendDatagramLocked(data, peer)
}

// Receive implements [reservation.NetworkSocket]. With a context that is done it returns what is there
// and waits for nothing.
func (s *socket) Receive(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	if s.protocol == TCP {
		return s.receiveStreamLocked(ctx, data)
	}
	return s.receiveDatagramLocked(ctx, data)
}

// LocalAddress implements [reservation.NetworkSocket].
func (s *socket) LocalAddress() netip.AddrPort {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	return s.local
}

// PeerAddress implements [reservation.NetworkSocket].
func (s *socket) PeerAddress() netip.AddrPort {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	return s.show(s.peer)
}

// Close implements [reservation.NetworkSocket].
func (s *socket) Close() error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	s.closeLocked()
	return nil
}

func (s *socket) closeLocked() {
	if s.closed {
		return
	}
	s.closed = true
	delete(s.network.sockets, s)
	if s.isBound() {
		s.network.leaveLocked(s, s.partner != nil)
	}
	s.hangUpLocked()
	s.datagrams, s.stream, s.buffered = nil, nil, 0
	s.notifyLocked()
}

// waitLocked lets go of the network until the socket changes or ctx is done. Nobody looks at a context
// before he has to wait: one that is done is how a door asks for what is there already.
func (s *socket) waitLocked(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	changed := s.changed
	s.network.mu.Unlock()
	defer s.network.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notifyLocked wakes whoever waits for a change of the socket.
func (s *socket) notifyLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
