package hold

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A Block is a block of ports that are held: each has a guard, and may be handed over to a socket.
// It is safe for concurrent use.
type Block struct {
	protocol reservation.Protocol
	ports    reservation.Range

	mu     sync.Mutex
	closed bool
	held   []port // one for each port of the range, in order
}

var _ reservation.KeptBlock = (*Block)(nil)

// A port is what a block knows of one of its ports. Whoever finds it idle and makes it busy may use
// its guards without the block's lock.
type port struct {
	guards guards
	busy   bool // somebody hands it over at this moment
	out    bool // a socket has it
}

// Protocol returns the block's protocol.
func (b *Block) Protocol() reservation.Protocol { return b.protocol }

// Range returns the block's ports.
func (b *Block) Range() reservation.Range { return b.ports }

// Handover says how this system hands over a port of this block.
func (b *Block) Handover() Handover { return handover }

// ListenUDP hands the port of laddr over to a new UDP socket, bound to that address. The network is
// "udp", "udp4" or "udp6"; a nil or empty IP is the wildcard, as for [net.ListenUDP]. If control is
// not nil it is called with the socket before it is bound, as [net.ListenConfig.Control] is; socket
// options that it sets are kept.
//
// Call [Block.Return] before the socket is closed.
//
// Errors are [*reservation.Error] values that wrap [reservation.ErrInvalid] for another protocol, a
// port outside of the block or an address that is not of the network's family or not of this
// computer, [reservation.ErrInUse] for a port that is handed out, [reservation.ErrClosed] for a
// closed block, [reservation.ErrLimit], [reservation.ErrUnsupported], or the error of ctx or control.
// The port is held after an error.
func (b *Block) ListenUDP(ctx context.Context, network string, laddr *net.UDPAddr, control func(network, address string, c syscall.RawConn) error) (*net.UDPConn, error) {
	return b.listenUDP(ctx, network, laddr, control)
}

// ListenTCP is to TCP what [Block.ListenUDP] is to UDP; the socket listens.
func (b *Block) ListenTCP(ctx context.Context, network string, laddr *net.TCPAddr, control func(network, address string, c syscall.RawConn) error) (*net.TCPListener, error) {
	return b.listenTCP(ctx, network, laddr, control)
}

// Return gives a port back to the hold. It is called before the socket that was bound from the block
// is closed: nobody can take the port when it is. A port that is not handed out, or not of this
// block, is left alone, and so is one of a closed block.
func (b *Block) Return(port uint16) error { return b.takeBack(port) }

// Bind hands the port of address over to an unbound socket that somebody else opened: a program
// that berth exec runs, or a caller with sockets of its own. The socket is a descriptor of this
// process, and is not closed. The address is of the socket's family.
//
// It may be called again for a port that is handed out: the system's rules decide whether the two
// sockets can share it, as they do for a bind without Berth. Return need not be called: the port
// falls back to the hold when the socket is closed.
//
// Errors are those of [Block.ListenUDP], and ErrInvalid for what is not a socket, a socket of another
// protocol or family, or one that is bound. It is unsupported on other systems than Linux.
func (b *Block) Bind(socket int, address netip.AddrPort) error { return b.bind(socket, address) }

// Listen makes a TCP socket listen that was bound with [Block.Bind]. The plain system call fails
// there, because the port is still guarded. Backlog is as for listen(2).
//
// Errors are those of [Block.Bind]; ErrInvalid for a socket whose port is not of this block.
func (b *Block) Listen(socket int, backlog int) error { return b.listen(socket, backlog) }

// Close lets go of every port that no socket was bound from. Sockets that were bound from the block
// keep theirs. A second Close does nothing.
func (b *Block) Close() error { return b.letGo() }
