package sockets

import (
	"context"
	"fmt"
	"net"

	"github.com/berthkit/berth/reservation"
)

// ListenUDP binds a UDP socket. The network is "udp", "udp4" or "udp6". The address is as for
// [net.ListenUDP]: nil or an empty IP is the wildcard, which for "udp" means both families where the
// system can do that. The port is as for [ListenConfig.Token].
//
// It returns ErrInvalid, ErrInUse, ErrDenied or ErrUnsupported as the package comment says, the
// conditions of associating and binding (see [reservation.Endpoint]), and ctx's error.
func (lc *ListenConfig) ListenUDP(ctx context.Context, network string, laddr *net.UDPAddr) (*UDPConn, error) {
	if laddr == nil {
		laddr = &net.UDPAddr{}
	}
	if err := checkAddress(reservation.UDP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	endpoint, err := lc.open(ctx, reservation.UDP)
	if err != nil {
		return nil, err
	}
	conn, err := bindUDP(ctx, endpoint, lc.Control, network, laddr)
	if err != nil {
		_ = endpoint.Close()
		return nil, err
	}
	return conn, nil
}

// ListenTCP binds a TCP socket and listens. The network is "tcp", "tcp4" or "tcp6"; the address, the
// port and the errors are as for [ListenConfig.ListenUDP].
func (lc *ListenConfig) ListenTCP(ctx context.Context, network string, laddr *net.TCPAddr) (*TCPListener, error) {
	if laddr == nil {
		laddr = &net.TCPAddr{}
	}
	if err := checkAddress(reservation.TCP, network, laddr.IP, laddr.Port); err != nil {
		return nil, err
	}
	endpoint, err := lc.open(ctx, reservation.TCP)
	if err != nil {
		return nil, err
	}
	listener, err := bindTCP(ctx, endpoint, lc.Control, network, laddr)
	if err != nil {
		_ = endpoint.Close()
		return nil, err
	}
	return listener, nil
}

// ListenPacket is [ListenConfig.ListenUDP] for an address as [net.ListenPacket] takes it: a host name
// stands for its first IPv4 address, or else its first address; an empty host is the wildcard. The
// result's dynamic type is *UDPConn.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	resolved, err := resolveAddress(ctx, reservation.UDP, network, address)
	if err != nil {
		return nil, err
	}
	conn, err := lc.ListenUDP(ctx, network, &net.UDPAddr{IP: resolved.ip, Port: resolved.port, Zone: resolved.zone})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Listen is [ListenConfig.ListenTCP] for an address as [ListenConfig.ListenPacket] takes it. The
// result's dynamic type is *TCPListener.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	resolved, err := resolveAddress(ctx, reservation.TCP, network, address)
	if err != nil {
		return nil, err
	}
	listener, err := lc.ListenTCP(ctx, network, &net.TCPAddr{IP: resolved.ip, Port: resolved.port, Zone: resolved.zone})
	if err != nil {
		return nil, err
	}
	return listener, nil
}

// open returns a new endpoint, associated with the token if there is one.
func (lc *ListenConfig) open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	if lc.Process == nil {
		return nil, &reservation.Error{Op: "bind", Protocol: protocol,
			Err: fmt.Errorf("%w: ListenConfig.Process is nil", reservation.ErrInvalid)}
	}
	endpoint, err := lc.Process.Open(ctx, protocol)
	if err != nil || lc.Token == 0 {
		return endpoint, err
	}
	if err := endpoint.Associate(ctx, lc.Token); err != nil {
		_ = endpoint.Close()
		return nil, err
	}
	return endpoint, nil
}
