package hold

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// listenTCPBeside binds a new TCP socket beside the guards of a busy port and has it listen.
func (b *Block) listenTCPBeside(p *port, network string, laddr *net.TCPAddr, prepare control) (*net.TCPListener, error) {
	file, address, err := b.openStream(network, laddr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // package net makes a descriptor of its own
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	if prepare != nil {
		family := "tcp6"
		if address.Addr().Is4() {
			family = "tcp4"
		}
		if err := prepare(family, address.String(), raw); err != nil {
			return nil, err
		}
	}
	var listenErr error
	if err := raw.Control(func(descriptor uintptr) {
		listenErr = b.bindBeside(p, int(descriptor), address, caller)
		if listenErr == nil {
			listenErr = b.listenBeside(p, int(descriptor), math.MaxInt32, caller) // the system has its own maximum
		}
	}); err != nil || listenErr != nil {
		return nil, errors.Join(err, listenErr)
	}
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// listen makes somebody else's socket listen.
func (b *Block) listen(socket int, backlog int) error {
	wrong := func(number uint16, err error) error { return b.refuse(number, withCondition(err)) }
	owner, err := b.checkSocket(socket, netip.Addr{})
	if err != nil {
		return wrong(b.ports.First(), err)
	}
	if b.protocol != pool.TCP {
		return wrong(b.ports.First(), fmt.Errorf("%w: only TCP sockets listen", reservation.ErrInvalid))
	}
	address, _, err := addressOf(socket)
	if err != nil {
		return wrong(b.ports.First(), err)
	}
	number := address.Port()
	if !b.ports.Contains(number) {
		return wrong(b.ports.First(), fmt.Errorf("%w: the socket is bound to %v, which is not of tcp %v", reservation.ErrInvalid, address, b.ports))
	}
	p, err := b.claim(context.Background(), number)
	if err != nil {
		return err
	}
	defer b.finish(p, 0)
	defer p.takeHome()
	if err = p.lend(owner); err == nil {
		err = b.listenBeside(p, socket, backlog, owner)
	}
	if err != nil {
		return wrong(number, err)
	}
	return nil
}

// listenBeside has a bound socket listen on a busy port. The system looks for conflicts as it does
// for a bind, so the socket must be let beside the guards again.
func (b *Block) listenBeside(p *port, socket, backlog, owner int) error {
	address, only, err := addressOf(socket)
	if err != nil {
		return err
	}
	if b.coversAll(address.Addr(), only) {
		return b.listenAlone(p, socket, backlog, address, owner)
	}
	shares, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil {
		return err
	}
	at := b.placeOf(address.Addr(), only)
	if err = p.share(socket, at); err == nil {
		err = unix.Listen(socket, backlog)
	}
	err = errors.Join(err, p.unshare(socket, shares, at))
	b.forget(p, address, owner)
	return err
}

// coversAll reports whether a socket has its port on every address that this computer can have.
func (b *Block) coversAll(ip netip.Addr, only bool) bool {
	if ip.Is4() {
		return ip.IsUnspecified() && !b.hasIPv6()
	}
	return ip.IsUnspecified() && !only
}

// listenAlone has a socket listen that covers all that the guards do. It needs none of them for the
// moment: they are closed, and fresh ones are bound beside it when it listens, one for each family, so
// that a decoy has an effect.
//
// What is left of earlier connections (TIME_WAIT) lets no socket listen alone that does not carry
// SO_REUSEADDR, and one that does is no guard before it listens. Then it listens beside fresh guards,
// and until a socket listens alone again a program of the same user that sets SO_REUSEPORT can bind
// the port: docs/held-ports.md says so.
func (b *Block) listenAlone(p *port, socket, backlog int, address netip.AddrPort, owner int) error {
	spans := split
	if !b.hasIPv6() {
		spans = b.spans
	}
	fresh, err := b.openFresh(spans, owner)
	if err != nil {
		return err
	}
	decoy := b.openDecoy(netip.AddrPortFrom(netip.IPv4Unspecified(), address.Port()), owner)
	defer decoy.close()
	before, err := clearReuse(socket)
	if err != nil {
		fresh.close()
		return err
	}
	p.guards.close()
	p.guards, p.missing = nil, b.spans
	alone := unix.Listen(socket, backlog)
	if alone == nil {
		err = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, before.address)
	}
	err = errors.Join(err, unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	if bindErr := p.putBehind(fresh, address.Port(), spans); bindErr != nil {
		// A client connected meanwhile, and its connection is in the way. The socket keeps the port
		// until it is closed.
		b.lookLater(address.Port(), firstLook)
	} else if errors.Is(alone, unix.EADDRINUSE) {
		err = errors.Join(err, unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, before.address))
		alone = unix.Listen(socket, backlog)
	}
	decoy.bind()
	return errors.Join(alone, err, p.unshare(socket, before.port, everywhere))
}

// reuse is what a socket has as SO_REUSEADDR and SO_REUSEPORT.
type reuse struct{ address, port int }

// clearReuse clears both options and returns what they were.
func clearReuse(socket int) (before reuse, err error) {
	if before.address, err = unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR); err != nil {
		return before, err
	}
	if before.port, err = unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT); err != nil {
		return before, err
	}
	return before, errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0),
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0))
}
