package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// A control is what [ListenConfig.Control] is.
type control = func(network, address string, c syscall.RawConn) error

// bindUDP lets the endpoint choose the port and binds a real socket to it.
func bindUDP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr *net.UDPAddr) (*UDPConn, error) {
	prepare := controlOf(endpoint, caller)
	c := &UDPConn{claim: claim{endpoint: endpoint}}
	_, err := endpoint.Bind(ctx, uint16(laddr.Port), func(port uint16) (uint16, error) {
		held := heldBy(endpoint)
		conn, err := listenUDP(ctx, held, prepare, network, &net.UDPAddr{IP: laddr.IP, Port: int(port), Zone: laddr.Zone})
		if err != nil {
			return 0, withCondition(err)
		}
		c.UDPConn = conn
		c.claim.held, c.claim.port = held, uint16(conn.LocalAddr().(*net.UDPAddr).Port)
		return c.claim.port, nil
	})
	if err == nil {
		return c, nil
	}
	if c.UDPConn != nil { // the endpoint was closed while the socket was being bound
		_ = c.claim.closeSocket(c.UDPConn)
	}
	return nil, err
}

// bindTCP is to TCP what bindUDP is to UDP.
func bindTCP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr *net.TCPAddr) (*TCPListener, error) {
	prepare := controlOf(endpoint, caller)
	l := &TCPListener{claim: claim{endpoint: endpoint}}
	_, err := endpoint.Bind(ctx, uint16(laddr.Port), func(port uint16) (uint16, error) {
		held := heldBy(endpoint)
		listener, err := listenTCP(ctx, held, prepare, network, &net.TCPAddr{IP: laddr.IP, Port: int(port), Zone: laddr.Zone})
		if err != nil {
			return 0, withCondition(err)
		}
		l.TCPListener = listener
		l.claim.held, l.claim.port = held, uint16(listener.Addr().(*net.TCPAddr).Port)
		return l.claim.port, nil
	})
	if err == nil {
		return l, nil
	}
	if l.TCPListener != nil { // the endpoint was closed while the socket was being bound
		_ = l.claim.closeSocket(l.TCPListener)
	}
	return nil, err
}

// heldBy returns the block of real sockets that holds the ports which the endpoint draws from, nil if
// they are not held: they are free for a plain bind then.
func heldBy(endpoint reservation.Endpoint) *hold.Block {
	if endpoint, may := endpoint.(reservation.KeptEndpoint); may {
		held, _ := endpoint.Kept().(*hold.Block)
		return held
	}
	return nil
}

// controlOf returns what must see the real socket before it is bound: the endpoint's system, if it
// wants to, and then the caller. It returns nil if neither does.
func controlOf(endpoint reservation.Endpoint, caller control) control {
	tagger, tags := endpoint.(reservation.SocketTagger)
	if !tags {
		return caller
	}
	return func(network, address string, c syscall.RawConn) error {
		if err := tagger.TagSocket(c); err != nil || caller == nil {
			return err
		}
		return caller(network, address, c)
	}
}

// listenUDP opens the real socket, from the block that holds its port if one does. Without a control
// net.ListenUDP does the same and, as it need not write and read the address as text, faster.
func listenUDP(ctx context.Context, held *hold.Block, prepare control, network string, laddr *net.UDPAddr) (*net.UDPConn, error) {
	switch {
	case held != nil:
		return held.ListenUDP(ctx, network, laddr, prepare)
	case prepare == nil:
		return net.ListenUDP(network, laddr)
	}
	config := net.ListenConfig{Control: prepare}
	conn, err := config.ListenPacket(ctx, network, laddr.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// listenTCP is to TCP what listenUDP is to UDP.
func listenTCP(ctx context.Context, held *hold.Block, prepare control, network string, laddr *net.TCPAddr) (*net.TCPListener, error) {
	switch {
	case held != nil:
		return held.ListenTCP(ctx, network, laddr, prepare)
	case prepare == nil:
		return net.ListenTCP(network, laddr)
	}
	config := net.ListenConfig{Control: prepare}
	listener, err := config.Listen(ctx, network, laddr.String())
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// withCondition puts the engine's condition in front of a system's error, where it has one. An error
// of a held block has its condition; the call and the ports will be named around it.
func withCondition(err error) error {
	if held, ok := err.(*reservation.Error); ok {
		if errors.Is(held, reservation.ErrClosed) {
			return fmt.Errorf("%w: the reservation that the socket was to be bound from has ended", reservation.ErrNotFound)
		}
		return held.Err
	}
	if condition := conditionOf(err); condition != nil {
		return fmt.Errorf("%w: %w", condition, err)
	}
	return err
}
