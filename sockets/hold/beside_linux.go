package hold

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// On Linux a port is handed over without closing its guards: for the few microseconds of the bind
// both sides carry SO_REUSEPORT, with which the system lets sockets of one user beside each other.
// Without the option the guards go on refusing everybody, and they are still there when the
// application's socket is closed. What that takes is in docs/decisions/0044-guards-stay.md.

// listenUDPBeside binds a new UDP socket beside the guards of a busy port.
func (b *Block) listenUDPBeside(ctx context.Context, p *port, network string, laddr *net.UDPAddr, prepare control) (*net.UDPConn, error) {
	ip, only := b.target(network, laddr.IP)
	fresh, spans, err := b.prepare(p, ip, only, uint16(laddr.Port), caller)
	if err != nil {
		return nil, err
	}
	at := b.placeOf(ip, only)
	socket, shares := -1, 0
	conn, err := listenPacket(ctx, func(network, address string, c syscall.RawConn) error {
		if prepare != nil {
			if err := prepare(network, address, c); err != nil {
				return err
			}
		}
		var err error
		if controlErr := c.Control(func(descriptor uintptr) {
			socket = int(descriptor)
			if prepare != nil { // or else the socket is as package net made it
				shares, err = unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT)
			}
			if err == nil {
				err = p.share(socket, at)
			}
		}); controlErr != nil {
			return controlErr
		}
		return err
	}, network, laddr)
	if err == nil {
		err = p.putBehind(fresh, uint16(laddr.Port), spans)
	} else {
		fresh.close()
		socket = -1 // package net has closed it
	}
	if err = errors.Join(err, p.unshare(socket, shares, at)); err != nil {
		if conn != nil {
			_ = conn.Close()
		}
		return nil, err
	}
	if shares != 0 {
		b.stepAside(p, ip, only)
	}
	return conn, nil
}

// target returns the address that package net binds for a network and an IP address, and whether that
// is for IPv6 alone.
func (b *Block) target(network string, literal net.IP) (ip netip.Addr, only bool) {
	ip, _ = netip.AddrFromSlice(literal)
	ip = ip.Unmap()
	family := network[len(network)-1]
	switch wildcard := !ip.IsValid() || ip.IsUnspecified(); {
	case wildcard && (family == '4' || family != '6' && !b.hasIPv6()):
		return netip.IPv4Unspecified(), false
	case wildcard:
		return netip.IPv6Unspecified(), family == '6'
	}
	return ip, family == '6'
}

// stepAside closes the guards that are bound to the same wildcard as a UDP socket that goes on sharing
// its port: the system spreads datagrams over all that ever shared it there. It refuses other users
// still, and the application asked for company of its own.
func (b *Block) stepAside(p *port, ip netip.Addr, only bool) {
	switch {
	case b.protocol != pool.UDP || !ip.IsUnspecified() || len(p.missing) > 0:
	case b.coversAll(ip, only):
		p.guards.close()
		p.guards, p.missing = nil, b.spans
	case ip.Is4():
		_ = unix.Close(p.guards[1])
		p.guards, p.missing = p.guards[:1:1], split[1:]
	default:
		_ = unix.Close(p.guards[0])
		p.guards, p.missing = p.guards[1:], split[:1]
	}
}

// takeBack guards a returned port again beside the sockets that are about to be closed. A busy port is
// looked at later, and so is one that another program's socket has as well.
func (b *Block) takeBack(p *port, number uint16) {
	if b.handover == WithGap || p.busy || b.guardMissingBeside(p, number) != nil {
		b.lookLater(number, firstLook)
	}
}

// guardMissingBeside binds the guards that a port lacks beside sockets that share it.
func (b *Block) guardMissingBeside(p *port, number uint16) error {
	fresh, err := b.openFresh(p.missing, caller)
	if err != nil {
		return err
	}
	for i, descriptor := range fresh {
		if err = bindGuard(descriptor, p.missing[i], number); err != nil {
			break
		}
	}
	if err = errors.Join(err, fresh.set(unix.SO_REUSEPORT, 0)); err != nil {
		fresh.close()
		return err
	}
	p.complete(fresh)
	return nil
}

// set sets a socket option of all of them.
func (g guards) set(option, value int) error {
	for _, descriptor := range g {
		if err := unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, option, value); err != nil {
			return err
		}
	}
	return nil
}

// share lets a socket beside the guards of the addresses that it will have.
func (p *port) share(socket int, at place) error {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return err
	}
	return p.guardsAt(at).set(unix.SO_REUSEPORT, 1)
}

// unshare ends what share began, first at the guards: they cover more. The socket, if it is not -1,
// has again what it had.
func (p *port) unshare(socket, shares int, at place) error {
	err := p.guardsAt(at).set(unix.SO_REUSEPORT, 0)
	if socket < 0 || shares != 0 {
		return err
	}
	return errors.Join(err, unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0))
}

// A place is where a socket is bound: one family, or everywhere.
type place uint8

const (
	everywhere place = iota
	inIPv6
	inIPv4
)

// placeOf returns the place of an address, of IPv6 alone or not.
func (b *Block) placeOf(ip netip.Addr, only bool) place {
	switch {
	case b.coversAll(ip, only):
		return everywhere
	case ip.Unmap().Is4():
		return inIPv4
	}
	return inIPv6
}

// guardsAt returns the guards that would refuse a socket.
func (p *port) guardsAt(at place) guards {
	if len(p.guards) == len(split) {
		switch at {
		case inIPv6:
			return p.guards[:1]
		case inIPv4:
			return p.guards[1:]
		}
	}
	return p.guards
}

// caller is the owner of the sockets that this process opens.
const caller = -1

// openFresh opens guards that can be bound beside sockets of the owner.
func (b *Block) openFresh(spans []span, owner int) (guards, error) {
	fresh := make(guards, 0, len(spans))
	for _, s := range spans {
		descriptor, err := openGuard(b.protocol, s)
		if err == nil {
			fresh = append(fresh, descriptor)
			err = own(descriptor, owner)
		}
		if err != nil {
			fresh.close()
			return nil, err
		}
	}
	return fresh, fresh.set(unix.SO_REUSEPORT, 1)
}

// putBehind replaces the guards of these spans by fresh ones, if there are any. Of two sockets that
// match a datagram equally well the system takes the one that was bound first, so the application's
// must be before the guards. A guard for IPv6 alone leaves the one for IPv4 where it is.
func (p *port) putBehind(fresh guards, number uint16, spans []span) error {
	if len(fresh) == 0 {
		return nil
	}
	for i, descriptor := range fresh {
		if err := bindGuard(descriptor, spans[i], number); err != nil {
			fresh.close()
			return fmt.Errorf("guard the port behind the socket: %w", err)
		}
	}
	if len(spans) == 1 && spans[0] == onlyIPv6 {
		_ = unix.Close(p.guards[0])
		p.guards = append(fresh, p.guards[1:]...)
		return nil
	}
	p.guards.close()
	p.guards, p.missing = fresh, nil
	return nil
}

// lend gives the guards to the user who owns somebody else's socket: sockets of different users cannot
// share a port.
func (p *port) lend(owner int) error {
	for _, guard := range p.guards {
		if err := own(guard, owner); err != nil {
			return err
		}
	}
	return nil
}

// takeHome ends what lend began. Only root lends to others, so it does not fail.
func (p *port) takeHome() {
	for _, guard := range p.guards {
		_ = own(guard, unix.Geteuid())
	}
}

// own gives a socket to a user.
func own(socket, owner int) error {
	if owner == caller {
		return nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(socket, &stat); err != nil {
		return err
	}
	if int(stat.Uid) == owner {
		return nil
	}
	if err := unix.Fchown(socket, owner, -1); err != nil {
		return fmt.Errorf("the socket belongs to user %d, and only root can hand a port over to another user: %w", owner, err)
	}
	return nil
}

func (b *Block) hasIPv6() bool { return b.spans[0] != onlyIPv4 }

// bind hands a port over to somebody else's socket.
func (b *Block) bind(socket int, address netip.AddrPort) error {
	number := address.Port()
	owner, err := b.checkSocket(socket, address.Addr())
	if err != nil {
		return b.refuse(number, withCondition(err))
	}
	p, err := b.claim(context.Background(), number)
	if err != nil {
		return err
	}
	defer b.finish(p, 0)
	defer p.takeHome()
	if err = p.lend(owner); err != nil {
		return b.refuse(number, withCondition(err))
	}
	if err = b.bindBeside(p, socket, address, owner); err != nil {
		return b.refuse(number, withCondition(err))
	}
	if b.protocol == pool.TCP {
		b.forget(p, address, owner)
	}
	return nil
}

// bindBeside binds a socket beside the guards of a busy port.
func (b *Block) bindBeside(p *port, socket int, address netip.AddrPort, owner int) error {
	sockaddr, err := sockaddrOf(address)
	if err != nil {
		return err
	}
	only := 0
	if address.Addr().Is6() {
		if only, err = unix.GetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err != nil {
			return err
		}
	}
	behind, spans, err := b.prepare(p, address.Addr(), only != 0, address.Port(), owner)
	if err != nil {
		return err
	}
	at := b.placeOf(address.Addr(), only != 0)
	shares, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err == nil {
		err = p.share(socket, at)
	}
	if err == nil {
		err = unix.Bind(socket, sockaddr)
	}
	if err != nil {
		behind.close()
		return errors.Join(err, p.unshare(socket, shares, at))
	}
	err = p.putBehind(behind, address.Port(), spans)
	err = errors.Join(err, p.unshare(socket, shares, at))
	if shares != 0 {
		if b.stepAside(p, address.Addr(), only != 0); len(p.missing) > 0 {
			b.lookLater(address.Port(), firstLook) // nobody says when the socket is closed
		}
	}
	return err
}

// prepare makes the guards of a busy port fit for a socket that is about to be bound beside them,
// and opens those to put behind it.
//
// A socket for both families takes one guard for both. Any other takes a guard for each family: then
// that of one can be replaced or asked something while a socket of the other has the port.
//
// An IPv6 socket for UDP shares datagrams with earlier guards of its family, so fresh ones go behind
// it. An IPv4 socket is before them by itself, and TCP guards do not listen.
func (b *Block) prepare(p *port, ip netip.Addr, only bool, number uint16, owner int) (guards, []span, error) {
	if !b.hasIPv6() {
		return nil, nil, nil
	}
	spans := split[:1]
	if b.coversAll(ip, only) {
		spans = b.spans
	} else if err := b.splitGuards(p, number, owner); err != nil {
		return nil, nil, err
	}
	if b.protocol == pool.TCP || ip.Is4() || len(p.missing) > 0 && !slices.Equal(p.missing, split[1:]) {
		return nil, nil, nil
	}
	behind, err := b.openFresh(spans, owner)
	return behind, spans, err
}

// splitGuards replaces one guard for both families by one for each.
func (b *Block) splitGuards(p *port, number uint16, owner int) error {
	if len(p.guards) == len(split) || len(p.missing) > 0 {
		return nil
	}
	fresh, err := b.openFresh(split, owner)
	if err != nil {
		return err
	}
	err = errors.Join(p.guards.set(unix.SO_REUSEPORT, 1), p.putBehind(fresh, number, split))
	return errors.Join(err, p.guards.set(unix.SO_REUSEPORT, 0))
}

// split are the spans of two guards that are one for both families together.
var split = []span{onlyIPv6, onlyIPv4}

// checkSocket tells what is wrong with somebody else's socket, and who owns it.
func (b *Block) checkSocket(socket int, ip netip.Addr) (owner int, err error) {
	wrong := func(format string, arguments ...any) error {
		return fmt.Errorf("%w: %s", reservation.ErrInvalid, fmt.Sprintf(format, arguments...))
	}
	protocol, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return 0, fmt.Errorf("descriptor %d: %w", socket, err)
	}
	if protocol != int(b.protocol) && (protocol != unix.IPPROTO_MPTCP || b.protocol != pool.TCP) {
		return 0, wrong("the socket is of protocol %d, the block one of %v ports", protocol, b.protocol)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(socket, &stat); err != nil {
		return 0, err
	}
	if !ip.IsValid() {
		return int(stat.Uid), nil
	}
	family, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, err
	}
	if (family == unix.AF_INET) != ip.Is4() {
		return 0, wrong("%v is not an address of the socket's family (%d)", ip, family)
	}
	if number, _, err := addressOf(socket); err != nil || number.Port() != 0 {
		return 0, errors.Join(wrong("the socket is bound to %v", number), err)
	}
	return int(stat.Uid), nil
}

// addressOf returns where a socket is bound to, and whether that is for IPv6 alone.
func addressOf(socket int) (address netip.AddrPort, onlyIPv6 bool, err error) {
	sockaddr, err := unix.Getsockname(socket)
	if err != nil {
		return netip.AddrPort{}, false, err
	}
	switch sockaddr := sockaddr.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sockaddr.Addr), uint16(sockaddr.Port)), false, nil
	case *unix.SockaddrInet6:
		only, err := unix.GetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		return netip.AddrPortFrom(netip.AddrFrom16(sockaddr.Addr), uint16(sockaddr.Port)), only != 0, err
	}
	return netip.AddrPort{}, false, unix.EAFNOSUPPORT
}

func sockaddrOf(address netip.AddrPort) (unix.Sockaddr, error) {
	ip := address.Addr()
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: ip.As4()}, nil
	}
	sockaddr := &unix.SockaddrInet6{Port: int(address.Port()), Addr: ip.As16()}
	if ip.Zone() == "" {
		return sockaddr, nil
	}
	var number uint32
	if _, err := fmt.Sscanf(ip.Zone(), "%d", &number); err == nil {
		sockaddr.ZoneId = number
		return sockaddr, nil
	}
	device, err := net.InterfaceByName(ip.Zone())
	if err != nil {
		return nil, fmt.Errorf("%w: interface %q: %w", reservation.ErrInvalid, ip.Zone(), err)
	}
	sockaddr.ZoneId = uint32(device.Index)
	return sockaddr, nil
}

// openStream opens a TCP socket as package net does for a listener, and says what to bind it to.
func (b *Block) openStream(network string, laddr *net.TCPAddr) (*os.File, netip.AddrPort, error) {
	ip, only := b.target(network, laddr.IP)
	family := unix.AF_INET
	if ip.Is6() {
		family, ip = unix.AF_INET6, ip.WithZone(laddr.Zone)
	}
	descriptor, err := openSocket(family, pool.TCP)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolint(only))
	}
	if err == nil {
		err = unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err != nil {
		_ = unix.Close(descriptor)
		return nil, netip.AddrPort{}, err
	}
	return os.NewFile(uintptr(descriptor), network), netip.AddrPortFrom(ip, uint16(laddr.Port)), nil
}

func boolint(b bool) int {
	if b {
		return 1
	}
	return 0
}
