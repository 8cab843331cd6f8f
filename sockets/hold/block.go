package hold

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Block is a block of ports that are held: each has its guards, and may be handed over to a socket.
// It is safe for concurrent use.
type Block struct {
	protocol reservation.Protocol
	ports    reservation.Range
	spans    []span   // what the guards of a port cover together
	handover Handover // how ports are handed over

	mu     sync.Mutex
	idle   sync.Cond // a port is no longer busy
	closed bool
	held   []port // one for each port of the range, in order
}

var _ reservation.KeptBlock = (*Block)(nil)

// A port is what a block knows of one of its ports. Whoever finds it idle and makes it busy uses its
// guards without the block's lock.
type port struct {
	guards  guards
	missing []span // what the guards do not cover at this moment
	busy    bool   // somebody hands it over at this moment
	out     int    // how many sockets of ListenUDP and ListenTCP have it
}

// A span is the addresses that one guard covers.
type span uint8

const (
	bothFamilies span = iota
	onlyIPv6
	onlyIPv4
)

// A control is what [net.ListenConfig.Control] is.
type control = func(network, address string, c syscall.RawConn) error

// Protocol returns the block's protocol.
func (b *Block) Protocol() reservation.Protocol { return b.protocol }

// Range returns the block's ports.
func (b *Block) Range() reservation.Range { return b.ports }

// Handover says how this system hands over a port of this block: [Gapless] on Linux, [WithGap]
// elsewhere.
func (b *Block) Handover() Handover { return b.handover }

// ListenUDP hands the port of laddr over to a new UDP socket, bound to that address. The network is
// "udp", "udp4" or "udp6"; a nil or empty IP is the wildcard, as for [net.ListenUDP]. If control is
// not nil it is called with the socket before it is bound, as [net.ListenConfig.Control] is; what it
// sets on the socket stays set. A call for the same port from there waits until ctx is done.
//
// A port may be handed out to several sockets: the rules of the system decide whether they can share
// it, as they do for a bind without a hold. Call [Block.Return] before each of them is closed.
//
// Errors are [*reservation.Error] values that wrap [reservation.ErrInvalid] for another protocol, a
// port outside of the block or an address that is not of the network's family or not of this
// computer, [reservation.ErrInUse] if a socket that has the port is in the way, [reservation.ErrClosed] for a
// closed block, [reservation.ErrLimit], [reservation.ErrUnsupported] for a family that this computer
// lacks, or the error of ctx or control. The port is still held after an error.
func (b *Block) ListenUDP(ctx context.Context, network string, laddr *net.UDPAddr, control func(network, address string, c syscall.RawConn) error) (*net.UDPConn, error) {
	if laddr == nil {
		laddr = &net.UDPAddr{}
	}
	if err := b.check(ctx, pool.UDP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	return b.listenUDP(ctx, network, laddr, control)
}

// ListenTCP is to TCP what [Block.ListenUDP] is to UDP. The socket listens. It speaks plain TCP, not
// Multipath TCP.
func (b *Block) ListenTCP(ctx context.Context, network string, laddr *net.TCPAddr, control func(network, address string, c syscall.RawConn) error) (*net.TCPListener, error) {
	if laddr == nil {
		laddr = &net.TCPAddr{}
	}
	if err := b.check(ctx, pool.TCP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	return b.listenTCP(ctx, network, laddr, control)
}

// Return gives a port back to the hold. It is called before a socket that was bound from the block
// is closed, once for each: then there is no moment in which somebody else could take the port. Where the handover
// is [WithGap] the hold takes the port as soon as it notices that the socket is closed.
//
// A port that is not handed out, one that is not of this block, and any port of a closed block are
// left alone: that is no error.
func (b *Block) Return(port uint16) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || !b.ports.Contains(port) {
		return nil
	}
	p := b.at(port)
	if p.out == 0 {
		return nil
	}
	if p.out--; p.out == 0 && len(p.missing) > 0 {
		b.takeBack(p, port)
	}
	return nil
}

// Bind hands the port of address over to an unbound socket that somebody else opened, such as one of
// a program that this one supervises. The socket is a descriptor of this process, which stays the
// caller's. The address is of the socket's family; its zone is the name or the number of an interface.
//
// It may be called again for a port that is handed out, as [Block.ListenUDP] may. Return is not called
// for it: the port falls back to the hold when its sockets are closed.
//
// Errors are those of [Block.ListenUDP], and ErrInvalid for a descriptor that is not open, not a
// socket, or one of another protocol or family, or bound. The system's own error, if there is one, is
// in the chain. It is unsupported on other systems than Linux.
func (b *Block) Bind(socket int, address netip.AddrPort) error {
	if !b.ports.Contains(address.Port()) {
		return b.refuse(address.Port(), fmt.Errorf("%w: not a port of %v %v", reservation.ErrInvalid, b.protocol, b.ports))
	}
	if !address.Addr().IsValid() {
		return b.refuse(address.Port(), fmt.Errorf("%w: no IP address", reservation.ErrInvalid))
	}
	return b.bind(socket, address)
}

// Listen makes a TCP socket listen that was bound with [Block.Bind]. The plain system call fails
// there with EADDRINUSE, because the port is still guarded. Backlog is as for listen(2).
//
// Errors are those of [Block.Bind]; ErrInvalid also for a socket whose port is not of this block.
func (b *Block) Listen(socket int, backlog int) error { return b.listen(socket, backlog) }

// Close lets go of every port. Sockets that were bound from the block keep theirs. It does not fail;
// a second Close does nothing.
func (b *Block) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for i := range b.held {
		if p := &b.held[i]; !p.busy { // who keeps it busy closes them: see finish
			p.guards.close()
			p.guards = nil
		}
	}
	return nil
}

// check tells what is wrong with the arguments of ListenUDP and ListenTCP.
func (b *Block) check(ctx context.Context, protocol reservation.Protocol, network string, ip net.IP, number int) error {
	name := protocol.String()
	var problem string
	switch isIPv4 := ip.To4() != nil; {
	case b.protocol != protocol:
		problem = fmt.Sprintf("the block is one of %v ports", b.protocol)
	case network != name && network != name+"4" && network != name+"6":
		problem = fmt.Sprintf("network %q; want %s, %[2]s4 or %[2]s6", network, name)
	case number < 0 || number > pool.MaxPort || !b.ports.Contains(uint16(number)):
		problem = fmt.Sprintf("port %d is not one of %v %v", number, b.protocol, b.ports)
	case len(ip) != 0 && len(ip) != net.IPv4len && len(ip) != net.IPv6len:
		problem = fmt.Sprintf("an IP address of %d bytes", len(ip))
	case network == name+"4" && len(ip) != 0 && !isIPv4:
		problem = fmt.Sprintf("%v is not an IPv4 address, which %s needs", ip, network)
	case network == name+"6" && isIPv4 && !ip.IsUnspecified():
		problem = fmt.Sprintf("%v is not an IPv6 address, which %s needs", ip, network)
	default:
		if err := ctx.Err(); err != nil {
			return b.refuse(uint16(number), err)
		}
		return nil
	}
	err := fmt.Errorf("%w: %s", reservation.ErrInvalid, problem)
	return &reservation.Error{Op: "bind", Protocol: b.protocol, Range: b.ports, Err: err}
}

func (b *Block) refuse(number uint16, err error) error {
	return &reservation.Error{Op: "bind", Protocol: b.protocol, Range: pool.RangeOf(number), Err: err}
}

// at returns what the block knows of one of its ports.
func (b *Block) at(number uint16) *port { return &b.held[number-b.ports.First()] }
