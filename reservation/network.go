package reservation

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// A Network is the sockets of a computer, as a door that speaks of handles needs them. There are
// two: the simulated one of a machine, and the real one. A Network decides about addresses and
// conflicts between sockets; whether a reservation allows a port is the [Endpoint]'s to decide. Who
// binds asks the endpoint, and passes it the network's bind as [TryBind].
//
// Implementations are safe for concurrent use.
type Network interface {
	// OpenSocket returns a new unbound socket. It returns ErrInvalid for an unknown family or protocol.
	OpenSocket(family Family, protocol Protocol) (NetworkSocket, error)
}

// A Family is the address family of a socket.
type Family uint8

const (
	IPv4 Family = 4 // IPv4 only
	IPv6 Family = 6 // IPv6, and IPv4 as well if the socket is dual mode (see [SocketOptions])
)

// SocketOptions are what a socket was told before its bind.
type SocketOptions struct {
	ReuseAddress bool // SO_REUSEADDR, in the Windows sense
	Exclusive    bool // SO_EXCLUSIVEADDRUSE; not together with ReuseAddress
	DualMode     bool // IPv6 only: also IPv4 (IPV6_V6ONLY is off)
	Broadcast    bool // SO_BROADCAST
}

// A NetworkSocket is one socket of a [Network]. Addresses are those of its family; an IPv4 peer of a
// dual mode socket is shown as an IPv4-mapped IPv6 address. Closing it ends waiting calls with ErrClosed.
//
// Accept, Send and Receive look at their context only when they have to wait: with one that is done
// they take what is there now, or return its error.
type NetworkSocket interface {
	SetOptions(options SocketOptions) error

	// Bind gives the socket a local address. The port is never 0. It returns ErrInUse if another
	// socket has it, ErrPortDenied if that socket or another user keeps it for itself, ErrAddress if
	// the computer has no such address, ErrState if the socket is bound.
	Bind(local netip.AddrPort) error

	// Connect sets the peer; of a TCP socket it opens the connection, or returns ErrRefused.
	Connect(ctx context.Context, peer netip.AddrPort) error

	// Listen lets a bound TCP socket accept.
	Listen(backlog int) error

	// Accept waits for a connection and returns its socket.
	Accept(ctx context.Context) (NetworkSocket, error)

	// Send sends a datagram or a part of a stream; the zero peer means the connected one.
	Send(ctx context.Context, data []byte, peer netip.AddrPort) (int, error)

	// Receive waits for a datagram or for a part of a stream, and says who sent it. At the end of a
	// stream it returns 0 and no error. A datagram longer than data is cut and returns ErrTooLong.
	Receive(ctx context.Context, data []byte) (int, netip.AddrPort, error)

	LocalAddress() netip.AddrPort // the zero AddrPort before Bind
	PeerAddress() netip.AddrPort  // the zero AddrPort before Connect
	Close() error
}

// A KeptSocket is a [NetworkSocket] that can be bound from a block which a [Keeper] keeps: its port is
// not free for a plain bind.
type KeptSocket interface {
	// BindKept is Bind to a port of block, which hands it over and gets it back when the socket is closed.
	BindKept(block KeptBlock, local netip.AddrPort) error
}

// BindSocket binds a socket and its endpoint together: the endpoint says which port it may be, the
// network whether another socket has it. It returns the port. Errors are those of [Endpoint]'s Bind
// and of [NetworkSocket]'s.
func BindSocket(ctx context.Context, endpoint Endpoint, socket NetworkSocket, local netip.AddrPort) (uint16, error) {
	return endpoint.Bind(ctx, local.Port(), func(port uint16) (uint16, error) {
		err := bindKept(endpoint, socket, netip.AddrPortFrom(local.Addr(), port))
		switch {
		case err == nil:
			return socket.LocalAddress().Port(), nil
		case local.Port() == 0 && errors.Is(err, ErrPortDenied):
			return 0, fmt.Errorf("%w: %w", ErrInUse, err)
		}
		return 0, err
	})
}

// bindKept binds the socket from the block that keeps its port, if there is one.
func bindKept(endpoint Endpoint, socket NetworkSocket, local netip.AddrPort) error {
	if drawing, may := endpoint.(KeptEndpoint); may {
		if from, can := socket.(KeptSocket); can {
			if block := drawing.Kept(); block != nil {
				return from.BindKept(block, local)
			}
		}
	}
	return socket.Bind(local)
}
