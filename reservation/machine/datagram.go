package machine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/berthkit/berth/reservation"
)

// Sizes of datagrams and of what waits to be received.
const (
	maxDatagramIPv4  = 65535 - 20 - 8 // bytes, by the length fields of the IPv4 and UDP headers
	maxDatagramIPv6  = 65535 - 8      // bytes, by that of the UDP header
	receiveBuffer    = 64 << 10       // bytes, Windows' default SO_RCVBUF
	datagramOverhead = 64             // bytes that each datagram counts beside its own, so that empty ones are bounded too
)

type datagram struct {
	data []byte
	from netip.AddrPort
}

func (s *socket) sendDatagramLocked(data []byte, to netip.AddrPort) (int, error) {
	if !s.isBound() {
		return 0, fmt.Errorf("%w: send before bind", reservation.ErrState)
	}
	peer := s.peer
	if (to != netip.AddrPort{}) {
		var err error
		if peer, err = s.checkPeer(to); err != nil {
			return 0, err
		}
	}
	longest := maxDatagramIPv6
	if peer.Addr().Is4() {
		longest = maxDatagramIPv4
	}
	switch {
	case peer == netip.AddrPort{}:
		return 0, fmt.Errorf("%w: send without a peer", reservation.ErrNotConnected)
	case len(data) > longest:
		return 0, fmt.Errorf("%w: %d bytes, at most %d fit", reservation.ErrTooLong, len(data), longest)
	case peer.Addr() == broadcastIPv4 && !s.options.Broadcast:
		return 0, fmt.Errorf("%w: broadcast without SO_BROADCAST", reservation.ErrDenied)
	}
	from := s.source(peer.Addr())
	for _, receiver := range s.network.receiversLocked(from, peer) {
		receiver.deliverLocked(data, from)
	}
	return len(data), nil
}

// receiversLocked returns who gets a datagram: everybody of a broadcast, else the socket that fits
// best. One that is connected to the sender fits better than one that is not, then a specific address
// better than the wildcard; of equals the one bound first gets it, where Windows promises nothing.
func (n *network) receiversLocked(from, to netip.AddrPort) []*socket {
	var receivers []*socket
	best := 0
	for _, s := range n.spaces[UDP].socketsAt(to.Port()) {
		connected := s.peer.IsValid()
		if connected && s.peer != from {
			continue
		}
		if to.Addr() == broadcastIPv4 {
			if slices.Contains(s.addresses, anyIPv4) {
				receivers = append(receivers, s)
			}
			continue
		}
		rank := s.rank(to.Addr())
		if rank > 0 && connected {
			rank += 2
		}
		if rank > best {
			best, receivers = rank, []*socket{s}
		}
	}
	return receivers
}

func (s *socket) deliverLocked(data []byte, from netip.AddrPort) {
	size := len(data) + datagramOverhead
	if s.buffered+size > receiveBuffer+datagramOverhead {
		return
	}
	s.datagrams = append(s.datagrams, datagram{data: slices.Clone(data), from: from})
	s.buffered += size
	s.notifyLocked()
}

func (s *socket) receiveDatagramLocked(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	for {
		switch {
		case s.closed:
			return 0, netip.AddrPort{}, reservation.ErrClosed
		case !s.isBound():
			return 0, netip.AddrPort{}, fmt.Errorf("%w: receive before bind", reservation.ErrState)
		case len(s.datagrams) > 0:
			next := s.datagrams[0]
			s.datagrams = s.datagrams[1:]
			s.buffered -= len(next.data) + datagramOverhead
			size := copy(data, next.data)
			if size < len(next.data) {
				return size, s.show(next.from), fmt.Errorf("%w: %d bytes, room for %d", reservation.ErrTooLong, len(next.data), size)
			}
			return size, s.show(next.from), nil
		}
		if err := s.waitLocked(ctx); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}
