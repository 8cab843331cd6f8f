// Package sockets binds real sockets from port reservations. What it returns are package net's
// sockets that give their port back to the engine when they are closed.
//
//   - A [ListenConfig] binds in one call, in the shape of [net.ListenConfig].
//   - A [Socket] goes step by step, in Winsock's order: open, acquire or associate, bind, close.
//   - A [UDPConn] is a *net.UDPConn, a [TCPListener] a *net.TCPListener, with a Close of their own.
//
// The engine says which port, the system whether it can be had. Where the engine may choose, a port
// that a stranger's socket has is passed over and the next one is tried.
//
// The ports of a runtime reservation of this computer are held by sockets of their own, see package
// hold. A socket that is bound from one gets its port handed over, and gives it back when it is
// closed; Handover says whether that leaves a moment in which somebody else could take it.
//
// Errors are [*reservation.Error] values. Beside the conditions of the engine, [reservation.ErrInvalid]
// tells of an unknown network, of an address that is not of the network's family or not of this
// computer; [reservation.ErrInUse] of a port that another socket has; [reservation.ErrDenied] of a
// port that the system keeps from this user; [reservation.ErrLimit] of too many open files;
// [reservation.ErrUnsupported] of an address family that the system does not have. The system's own
// error stays in the chain, so errors.Is with a syscall.Errno works as it does with package net, and
// errors.As with a *net.OpError does too, except for a port that is held.
//
// # Caveats
//
// The descriptor from File is a second one for the same socket. The engine's claim ends with Close,
// the system's only with the last descriptor: until then the port of a reservation is neither bound
// at the engine nor can it be bound again, and a held block that ends lets go of its own hold alone.
//
// A closed process ([reservation.API].Close) has given back its ports at the engine. Its real sockets
// stay open until they are closed.
package sockets

import (
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// A ListenConfig says where sockets are bound from. It may be used many times and by any number of
// goroutines, as long as nobody changes it.
type ListenConfig struct {
	// Process is who binds. It is required.
	Process reservation.API

	// Token names the reservation to bind from: port 0 then is a free port of its block. The zero
	// Token names none: port 0 then is a free port of the dynamic range, and a port inside anybody's
	// reservation is denied.
	Token reservation.Token

	// Control is called with each real socket before it is bound, as net.ListenConfig's is, once for
	// every port that is tried. An error from it ends the call. Nil calls nothing.
	Control func(network, address string, c syscall.RawConn) error
}

// A UDPConn is a UDP socket whose Close also gives its port back to the engine. Everything else is
// the *net.UDPConn's own. It must be closed: while package net closes sockets that the garbage
// collector finds, the engine keeps the port until the process is closed.
type UDPConn struct {
	*net.UDPConn
	claim claim
}

var _ net.PacketConn = (*UDPConn)(nil)

// Close closes the socket and gives the port back. It may be called concurrently: one call does it
// and returns the system's answer; the others return, when that is done, what net returns for a
// closed socket, an error that wraps [net.ErrClosed].
func (c *UDPConn) Close() error { return c.claim.close(c.UDPConn) }

// Handover says how the socket got its port from a runtime reservation whose ports are held by real
// sockets, and how Close gives it back to them. It is false for a port that was not held before the
// bind: one of a persistent reservation, or of none, or of an engine that holds nothing.
func (c *UDPConn) Handover() (how hold.Handover, held bool) { return c.claim.handover() }

// A TCPListener is a listening TCP socket whose Close also gives its port back to the engine.
// Everything else is the *net.TCPListener's own. Connections that it has accepted live on without
// the port, as they do in package net. It must be closed, as a UDPConn must.
type TCPListener struct {
	*net.TCPListener
	claim claim
}

var _ net.Listener = (*TCPListener)(nil)

// Close is for the listener what [UDPConn.Close] is for a UDP socket.
func (l *TCPListener) Close() error { return l.claim.close(l.TCPListener) }

// Handover is for the listener what [UDPConn.Handover] is for a UDP socket.
func (l *TCPListener) Handover() (how hold.Handover, held bool) { return l.claim.handover() }

// A claim is what a bound socket has to give back: the port to the block that held it, and the
// engine's half of the socket.
type claim struct {
	endpoint reservation.Endpoint
	held     *hold.Block // nil if the port was not held
	port     uint16
	once     sync.Once
}

// close closes the real socket and then, so that nobody is given a port that is still bound, gives
// the port back to the engine.
func (c *claim) close(socket io.Closer) error {
	first := false
	var err error
	c.once.Do(func() {
		first = true
		err = c.closeSocket(socket)
		if backErr := c.endpoint.Close(); err == nil {
			err = backErr
		}
	})
	if first {
		return err
	}
	return socket.Close()
}

// closeSocket has the block hold the port again before the socket lets go of it.
func (c *claim) closeSocket(socket io.Closer) error {
	var returned error
	if c.held != nil {
		returned = c.held.Return(c.port)
	}
	if err := socket.Close(); err != nil {
		return err
	}
	return returned
}

func (c *claim) handover() (how hold.Handover, held bool) {
	if c.held == nil {
		return 0, false
	}
	return c.held.Handover(), true
}
