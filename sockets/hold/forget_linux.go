package hold

import (
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"
)

// forget makes the system forget that a TCP socket shared its port. It remembers the last one that
// did, with user and address, as long as anybody is bound to the port, and lets that user's sockets
// with SO_REUSEPORT have the same address unchecked. It forgets when a socket without the option
// passes the check: the guard of the other family does, which listens for a moment. Who connects to it
// in that moment is refused as before it, only later.
//
// Where no guard can listen a decoy must do. It may fail as well. Other users are refused all the same.
func (b *Block) forget(p *port, address netip.AddrPort, owner int) {
	if len(p.guards) == len(split) {
		other := p.guards[0]
		if !address.Addr().Unmap().Is4() {
			other = p.guards[1]
		}
		if unix.Listen(other, 0) == nil {
			_ = unix.Shutdown(other, unix.SHUT_RDWR) // bound as before
			return
		}
	}
	decoy := b.openDecoy(address, owner)
	defer decoy.close()
	if p.guards.set(unix.SO_REUSEPORT, 1) == nil {
		decoy.bind()
	}
	_ = p.guards.set(unix.SO_REUSEPORT, 0)
}

// A decoy is the last socket that shared a port, at an address that nobody has. Its address is of the
// other family if the application's is a wildcard: the system takes one of the same family for its
// equal, and goes on remembering the wildcard.
type decoy struct {
	descriptor int
	address    unix.Sockaddr
}

// noDecoy does nothing.
var noDecoy = decoy{descriptor: -1}

// openDecoy returns a decoy for a socket at this address, to be bound while it shares the port.
func (b *Block) openDecoy(address netip.AddrPort, owner int) decoy {
	ip, port, random := address.Addr(), int(address.Port()), rand.Uint64()
	d, s := noDecoy, onlyIPv6
	option := [2]int{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND}
	if !b.hasIPv6() || ip.Is6() && ip.IsUnspecified() {
		s, option = onlyIPv4, [2]int{unix.IPPROTO_IP, unix.IP_FREEBIND}
		// 240.0.0.0/4, which RFC 1112 reserves.
		d.address = &unix.SockaddrInet4{Port: port, Addr: [4]byte{240, byte(random), byte(random >> 8), byte(random >> 16)}}
	} else {
		// 100::/64, which RFC 6666 has discarded.
		a := &unix.SockaddrInet6{Port: port, Addr: [16]byte{0: 1}}
		for i := range 8 {
			a.Addr[8+i] = byte(random >> (8 * i))
		}
		d.address = a
	}
	var err error
	if d.descriptor, err = openGuard(b.protocol, s); err != nil {
		return noDecoy
	}
	if own(d.descriptor, owner) != nil ||
		unix.SetsockoptInt(d.descriptor, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) != nil ||
		unix.SetsockoptInt(d.descriptor, option[0], option[1], 1) != nil { // an address that the computer does not have
		d.close()
		return noDecoy
	}
	return d
}

func (d decoy) bind() {
	if d.descriptor >= 0 {
		_ = unix.Bind(d.descriptor, d.address)
	}
}

func (d decoy) close() {
	if d.descriptor >= 0 {
		_ = unix.Close(d.descriptor)
	}
}
