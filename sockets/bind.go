package sockets

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A control is what [ListenConfig.Control] is.
type control = func(network, address string, c syscall.RawConn) error

// bindUDP lets the endpoint choose the port and binds a real socket to it.
func bindUDP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr *net.UDPAddr) (*UDPConn, error) {
	prepare := controlOf(endpoint, caller)
	c := &UDPConn{claim: claim{endpoint: endpoint}}
	_, err := endpoint.Bind(ctx, uint16(laddr.Port), func(port uint16) (uint16, error) {
		conn, err := listenUDP(ctx, prepare, network, &net.UDPAddr{IP: laddr.IP, Port: int(port), Zone: laddr.Zone})
		if err != nil {
			return 0, withCondition(err)
		}
		c.UDPConn = conn
		return uint16(conn.LocalAddr().(*net.UDPAddr).Port), nil
	})
	if err == nil {
		return c, nil
	}
	if c.UDPConn != nil { // the endpoint was closed while the socket was being bound
		_ = c.UDPConn.Close()
	}
	return nil, err
}

// bindTCP is to TCP what bindUDP is to UDP.
func bindTCP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr *net.TCPAddr) (*TCPListener, error) {
	prepare := controlOf(endpoint, caller)
	l := &TCPListener{claim: claim{endpoint: endpoint}}
	_, err := endpoint.Bind(ctx, uint16(laddr.Port), func(port uint16) (uint16, error) {
		listener, err := listenTCP(ctx, prepare, network, &net.TCPAddr{IP: laddr.IP, Port: int(port), Zone: laddr.Zone})
		if err != nil {
			return 0, withCondition(err)
		}
		l.TCPListener = listener
		return uint16(listener.Addr().(*net.TCPAddr).Port), nil
	})
	if err == nil {
		return l, nil
	}
	if l.TCPListener != nil { // the endpoint was closed while the socket was being bound
		_ = l.TCPListener.Close()
	}
	return nil, err
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

// listenUDP opens the real socket. Without a control net.ListenUDP does the same and, as it need not
// write and read the address as text, faster.
func listenUDP(ctx context.Context, prepare control, network string, laddr *net.UDPAddr) (*net.UDPConn, error) {
	if prepare == nil {
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
func listenTCP(ctx context.Context, prepare control, network string, laddr *net.TCPAddr) (*net.TCPListener, error) {
	if prepare == nil {
		return net.ListenTCP(network, laddr)
	}
	config := net.ListenConfig{Control: prepare}
	listener, err := config.Listen(ctx, network, laddr.String())
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// withCondition puts the engine's condition in front of a system's error, where it has one.
func withCondition(err error) error {
	if condition := conditionOf(err); condition != nil {
		return fmt.Errorf("%w: %w", condition, err)
	}
	return err
}
