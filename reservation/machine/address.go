package machine

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/berthkit/berth/reservation"
)

var (
	anyIPv4       = netip.IPv4Unspecified()
	anyIPv6       = netip.IPv6Unspecified()
	broadcastIPv4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

func validateAddresses(addresses []netip.Addr) error {
	for _, a := range addresses {
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "" || a == broadcastIPv4 {
			return fmt.Errorf("%w: %q in Config.Addresses is not an address of one computer", reservation.ErrInvalid, a)
		}
	}
	return nil
}

// has reports whether address, without an IPv4-mapped form, is one of the machine's.
func (n *network) has(address netip.Addr) bool {
	return address.IsLoopback() || slices.Contains(n.addresses, address)
}

// localAddresses returns what a socket that binds to address occupies: one address, or the wildcards
// of both families for a dual mode one.
func (s *socket) localAddresses(address netip.Addr) ([]netip.Addr, error) {
	if err := s.checkFamily(address); err != nil {
		return nil, err
	}
	plain := address.Unmap()
	switch {
	case address.Is4In6() && !s.options.DualMode:
		return nil, fmt.Errorf("%w: %s on a socket for IPv6 only", reservation.ErrAddress, address)
	case address == anyIPv6 && s.options.DualMode:
		return []netip.Addr{anyIPv4, anyIPv6}, nil
	case plain.IsUnspecified() || s.network.has(plain):
		return []netip.Addr{plain}, nil
	}
	return nil, fmt.Errorf("%w: %s", reservation.ErrAddress, address)
}

// checkPeer decides whether the socket may reach peer, and returns it without an IPv4-mapped form.
func (s *socket) checkPeer(peer netip.AddrPort) (netip.AddrPort, error) {
	if err := s.checkFamily(peer.Addr()); err != nil {
		return netip.AddrPort{}, err
	}
	plain := netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	switch {
	case plain.Port() == 0 || plain.Addr().IsUnspecified():
		return netip.AddrPort{}, fmt.Errorf("%w: %s is nobody's address", reservation.ErrAddress, peer)
	case !s.speaks(plain.Addr()):
		return netip.AddrPort{}, fmt.Errorf("%w: a socket bound to %s cannot reach %s", reservation.ErrAddress, s.bound, peer)
	}
	return plain, nil
}

// speaks reports whether the socket is bound to an address of the family of address.
func (s *socket) speaks(address netip.Addr) bool {
	return slices.ContainsFunc(s.addresses, func(a netip.Addr) bool { return a.Is4() == address.Is4() })
}

func (s *socket) checkFamily(address netip.Addr) error {
	if !address.IsValid() || address.Is4() != (s.family == reservation.IPv4) {
		return fmt.Errorf("%w: %q is not an address of an IPv%d socket", reservation.ErrInvalid, address, s.family)
	}
	return nil
}

// show returns an address in the form of the socket's family.
func (s *socket) show(address netip.AddrPort) netip.AddrPort {
	if s.family == reservation.IPv6 && address.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom16(address.Addr().As16()), address.Port())
	}
	return address
}

// rank says how well a socket's addresses fit a packet to address: 0 not at all, 1 by a wildcard, 2
// exactly.
func (s *socket) rank(address netip.Addr) int {
	best := 0
	for _, a := range s.addresses {
		switch {
		case a == address:
			return 2
		case a.IsUnspecified() && a.Is4() == address.Is4():
			best = 1
		}
	}
	return best
}

// source returns the local address of a packet from the socket to a peer: the one it is bound to,
// else the one that the peer has too, for all peers live on this computer.
func (s *socket) source(peer netip.Addr) netip.AddrPort {
	for _, a := range s.addresses {
		if a.Is4() == peer.Is4() && !a.IsUnspecified() {
			return netip.AddrPortFrom(a, s.bound.Port())
		}
	}
	if !s.network.has(peer) {
		peer = s.network.outward(peer)
	}
	return netip.AddrPortFrom(peer, s.bound.Port())
}

// outward returns the address that the machine shows to the world of peer.
func (n *network) outward(peer netip.Addr) netip.Addr {
	for _, a := range n.addresses {
		if a.Is4() == peer.Is4() {
			return a
		}
	}
	if peer.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
