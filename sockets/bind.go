package sockets

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A control is what [ListenConfig.Control] is.
type control = func(network, address string, c syscall.RawConn) error

func bindUDP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr net.UDPAddr) (*UDPConn, error) {
	prepare := controlOf(endpoint, caller)
	conn, err := bind(ctx, endpoint, laddr.Port, func(port uint16) (*net.UDPConn, uint16, error) {
		laddr.Port = int(port)
		conn, err := listenUDP(ctx, prepare, network, &laddr)
		if err != nil {
			return nil, 0, err
		}
		return conn, uint16(conn.LocalAddr().(*net.UDPAddr).Port), nil
	})
	if err != nil {
		return nil, err
	}
	return &UDPConn{conn, claim{endpoint: endpoint, dropped: giveBackWhenDropped(conn, endpoint)}}, nil
}

func bindTCP(ctx context.Context, endpoint reservation.Endpoint, caller control, network string, laddr net.TCPAddr) (*TCPListener, error) {
	prepare := controlOf(endpoint, caller)
	listener, err := bind(ctx, endpoint, laddr.Port, func(port uint16) (*net.TCPListener, uint16, error) {
		laddr.Port = int(port)
		listener, err := listenTCP(ctx, prepare, network, &laddr)
		if err != nil {
			return nil, 0, err
		}
		return listener, uint16(listener.Addr().(*net.TCPAddr).Port), nil
	})
	if err != nil {
		return nil, err
	}
	return &TCPListener{listener, claim{endpoint: endpoint, dropped: giveBackWhenDropped(listener, endpoint)}}, nil
}

// bind lets the endpoint choose the port and listen open the real socket on it.
func bind[S io.Closer](ctx context.Context, endpoint reservation.Endpoint, port int, listen func(port uint16) (S, uint16, error)) (S, error) {
	var socket S
	opened := false
	_, err := endpoint.Bind(ctx, uint16(port), func(port uint16) (uint16, error) {
		s, got, err := listen(port)
		if err != nil {
			return 0, withCondition(err)
		}
		socket, opened = s, true
		return got, nil
	})
	if err == nil {
		return socket, nil
	}
	if opened { // the endpoint was closed while the socket was being bound
		_ = socket.Close()
	}
	var none S
	return none, err
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
