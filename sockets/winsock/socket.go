package winsock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/berthkit/berth/reservation"
)

// A socket is a UDP or TCP socket: the engine's half, which says which port, and the network's,
// which has the address and the data.
type socket struct {
	family   reservation.Family
	protocol reservation.Protocol
	endpoint reservation.Endpoint
	network  reservation.NetworkSocket

	binding sync.Mutex // held while the socket is being bound, so that one call binds it

	mu       sync.Mutex // guards what follows; taken after binding
	options  options
	told     reservation.SocketOptions // what the network knows of them
	sendShut bool
	recvShut bool
}

// A localSocket is one of AF_UNIX. It can be opened and closed and nothing else; it is here because
// programs ask the controls of port reservations of other sockets than UDP and TCP, and are told
// WSAEOPNOTSUPP.
type localSocket struct{}

func (localSocket) close() error { return nil }

// close closes the network's half first, so that nobody is given a port that is still bound.
func (s *socket) close() error {
	err := s.network.Close()
	if backErr := s.endpoint.Close(); err == nil {
		err = backErr
	}
	if errors.Is(err, reservation.ErrClosed) {
		return nil // the process or the computer went before: nothing is left to close
	}
	return err
}

func (s *socket) isBound() bool { return s.network.LocalAddress().IsValid() }

func (s *socket) isConnected() bool { return s.network.PeerAddress().IsValid() }

// protocolOf decides what socket(type, protocol) opens. Zeros are filled in from each other; two
// zeros are TCP, as SDN's portReservationTest.ps1 relies on (A31).
//
// Source: https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-socket
func protocolOf(typ, proto int32) (reservation.Protocol, error) {
	switch {
	case typ == SOCK_RAW:
		return 0, fmt.Errorf("%w: raw sockets are for elevated administrators, and not offered here", WSAEACCES)
	case typ < 0 || typ > SOCK_SEQPACKET:
		return 0, WSAESOCKTNOSUPPORT
	case typ == SOCK_RDM || typ == SOCK_SEQPACKET:
		return 0, WSAESOCKTNOSUPPORT
	case proto != 0 && proto != IPPROTO_TCP && proto != IPPROTO_UDP:
		return 0, WSAEPROTONOSUPPORT
	case typ == SOCK_DGRAM && proto == IPPROTO_TCP, typ == SOCK_STREAM && proto == IPPROTO_UDP:
		return 0, WSAEPROTOTYPE
	case typ == SOCK_DGRAM || proto == IPPROTO_UDP:
		return reservation.UDP, nil
	}
	return reservation.TCP, nil
}

func (p *Process) open(af, typ, proto int32) (Handle, error) {
	if err := p.started(); err != nil {
		return InvalidHandle, err
	}
	var family reservation.Family
	switch af {
	case AF_INET:
		family = reservation.IPv4
	case AF_INET6:
		family = reservation.IPv6
	case AF_UNIX:
		if typ != SOCK_STREAM || proto != 0 {
			return InvalidHandle, p.fail(WSAESOCKTNOSUPPORT)
		}
		h, err := p.adopt(localSocket{})
		return h, p.fail(err)
	default:
		return InvalidHandle, p.fail(WSAEAFNOSUPPORT)
	}
	protocol, err := protocolOf(typ, proto)
	if err != nil {
		return InvalidHandle, p.fail(err)
	}
	network, err := p.network.OpenSocket(family, protocol)
	if err != nil {
		return InvalidHandle, p.fail(err)
	}
	h, err := p.adoptNetwork(network, family, protocol)
	return h, p.fail(err)
}

// adoptNetwork makes a socket of the network's half of one.
func (p *Process) adoptNetwork(network reservation.NetworkSocket, family reservation.Family, protocol reservation.Protocol) (Handle, error) {
	endpoint, err := p.api.Open(p.ctx, protocol)
	if err != nil {
		_ = network.Close()
		return InvalidHandle, err
	}
	if tagger, tags := endpoint.(reservation.SocketTagger); tags {
		if real, is := network.(taggedSocket); is {
			real.beforeBind(tagger.TagSocket)
		}
	}
	return p.adopt(&socket{family: family, protocol: protocol, endpoint: endpoint, network: network})
}

// A taggedSocket is a NetworkSocket that can show the real socket to whoever must see it before it
// is bound.
type taggedSocket interface {
	beforeBind(tag func(syscall.RawConn) error)
}

// Socket opens a socket of AF_INET or AF_INET6. It returns WSAEAFNOSUPPORT for another family,
// WSAESOCKTNOSUPPORT, WSAEPROTONOSUPPORT or WSAEPROTOTYPE for a type or protocol that does not fit,
// and WSAEACCES for a raw socket. A socket of AF_UNIX can be opened, and nothing done with it.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-socket
func (p *Process) Socket(domain, typ, proto int) (fd Handle, err error) {
	return p.open(int32(domain), int32(typ), int32(proto))
}

// WSASocket opens a socket as [Process.Socket] does. A protoInfo stands for what is -1
// (FROM_PROTOCOL_INFO) of af, typ and protocol. All flags are accepted; every socket can do
// overlapped calls.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsasocketw
func (p *Process) WSASocket(af int32, typ int32, protocol int32, protoInfo *WSAProtocolInfo, group uint32, flags uint32) (handle Handle, err error) {
	const fromProtocolInfo = -1
	if protoInfo != nil {
		if af == fromProtocolInfo {
			af = protoInfo.AddressFamily
		}
		if typ == fromProtocolInfo {
			typ = protoInfo.SocketType
		}
		if protocol == fromProtocolInfo {
			protocol = protoInfo.Protocol
		}
	}
	return p.open(af, typ, protocol)
}

// socket returns the socket that a handle names: WSAENOTSOCK if it names none, WSAEOPNOTSUPP if that
// is neither UDP nor TCP.
func (p *Process) socket(h Handle) (*socket, error) {
	if err := p.started(); err != nil {
		return nil, err
	}
	o, found := p.find(h)
	if !found {
		return nil, WSAENOTSOCK
	}
	switch s := o.resource.(type) {
	case *socket:
		return s, nil
	case localSocket:
		return nil, WSAEOPNOTSUPP
	}
	return nil, WSAENOTSOCK
}

// Bind gives the socket a local address. Of a socket that is associated with a reservation port 0
// becomes a free port of its block, of another a free port of the dynamic range. It returns WSAEACCES
// for a port of a reservation that the socket is not associated with, and for one that another socket
// keeps for itself; WSAEADDRINUSE for a port that another socket has; WSAEINVAL for a second bind and
// for a port outside the associated block; WSAENOBUFS if no port is left; WSAEADDRNOTAVAIL for an
// address that is not the computer's; WSAEFAULT or WSAEAFNOSUPPORT for one that is not of the
// socket's family.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-bind
func (p *Process) Bind(fd Handle, sa Sockaddr) (err error) {
	s, err := p.socket(fd)
	if err != nil {
		return p.fail(err)
	}
	local, err := resolve(sa, s.family)
	if err != nil {
		return p.fail(err)
	}
	s.binding.Lock()
	defer s.binding.Unlock()
	return p.fail(s.bind(p.ctx, local))
}

// bind is called while binding is held.
func (s *socket) bind(ctx context.Context, local netip.AddrPort) error {
	if s.isBound() {
		return fmt.Errorf("%w: the socket is bound already", reservation.ErrState)
	}
	_, err := reservation.BindSocket(ctx, s.endpoint, s.network, local)
	return err
}

// bindImplicitly binds a socket that is not bound to a port of the system's choice, as connect and
// sendto do. An associated socket draws it from its block.
func (s *socket) bindImplicitly(ctx context.Context) error {
	s.binding.Lock()
	defer s.binding.Unlock()
	if s.isBound() {
		return nil
	}
	return s.bind(ctx, netip.AddrPortFrom(wildcard(s.family), 0))
}

// Getsockname returns the local address, WSAEINVAL before the socket is bound.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-getsockname
func (p *Process) Getsockname(fd Handle) (sa Sockaddr, err error) {
	return p.address(fd, reservation.NetworkSocket.LocalAddress, WSAEINVAL)
}

// Getpeername returns the peer's address, WSAENOTCONN before the socket is connected.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-getpeername
func (p *Process) Getpeername(fd Handle) (sa Sockaddr, err error) {
	return p.address(fd, reservation.NetworkSocket.PeerAddress, WSAENOTCONN)
}

func (p *Process) address(fd Handle, which func(reservation.NetworkSocket) netip.AddrPort, none Errno) (Sockaddr, error) {
	s, err := p.socket(fd)
	if err != nil {
		return nil, p.fail(err)
	}
	address := which(s.network)
	if !address.IsValid() {
		return nil, p.fail(none)
	}
	return sockaddrOf(address), nil
}

// Connect sets the peer of a UDP socket and opens the connection of a TCP socket; one that is not
// bound is bound first, as Bind to the wildcard and port 0 does it. It returns WSAECONNREFUSED,
// WSAEISCONN for a second connection of a TCP socket, WSAEADDRNOTAVAIL for port 0, and what Bind returns.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-connect
func (p *Process) Connect(fd Handle, sa Sockaddr) (err error) {
	s, err := p.socket(fd)
	if err != nil {
		return p.fail(err)
	}
	peer, err := resolve(sa, s.family)
	switch {
	case err != nil:
		return p.fail(err)
	case s.protocol == reservation.TCP && s.isConnected():
		return p.fail(WSAEISCONN)
	case peer.Port() == 0:
		return p.fail(WSAEADDRNOTAVAIL)
	}
	if err := s.bindImplicitly(p.ctx); err != nil {
		return p.fail(err)
	}
	return p.fail(interrupted(s.network.Connect(p.ctx, peer)))
}

// Listen lets a bound TCP socket accept connections. It returns WSAEINVAL before the socket is
// bound, WSAEISCONN for a connected one, WSAEOPNOTSUPP for UDP.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-listen
func (p *Process) Listen(s Handle, n int) (err error) {
	listener, err := p.socket(s)
	switch {
	case err != nil:
		return p.fail(err)
	case listener.protocol != reservation.TCP:
		return p.fail(WSAEOPNOTSUPP)
	case listener.isConnected():
		return p.fail(WSAEISCONN)
	case !listener.isBound():
		return p.fail(WSAEINVAL)
	}
	if err := listener.network.Listen(n); err != nil {
		return p.fail(err)
	}
	listener.mu.Lock()
	defer listener.mu.Unlock()
	listener.options.listening = true
	return nil
}

// Accept waits for a connection and returns its socket and the peer. Package windows has the name
// and no more; this one works. It returns WSAEINVAL if the socket does not listen, WSAEOPNOTSUPP for
// UDP, WSAEWOULDBLOCK if a non-blocking socket has nothing to accept, WSAEINTR if it is closed.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-accept
func (p *Process) Accept(fd Handle) (nfd Handle, sa Sockaddr, err error) {
	s, err := p.socket(fd)
	if err != nil {
		return InvalidHandle, nil, p.fail(err)
	}
	if s.protocol != reservation.TCP {
		return InvalidHandle, nil, p.fail(WSAEOPNOTSUPP)
	}
	ctx, cancel, late := s.deadline(p.ctx, 0)
	defer cancel()
	connection, err := s.network.Accept(ctx)
	if err != nil {
		return InvalidHandle, nil, p.fail(late(interrupted(err)))
	}
	peer := sockaddrOf(connection.PeerAddress())
	if nfd, err = p.adoptNetwork(connection, s.family, s.protocol); err != nil {
		return InvalidHandle, nil, p.fail(err)
	}
	return nfd, peer, nil
}

// deadline returns a context for a call on the socket that may wait for limit, for ever if that is
// 0; and what turns the context's end into a code. On a non-blocking socket the context is done from
// the start: a network then looks at what is there and does not wait.
func (s *socket) deadline(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc, func(error) error) {
	s.mu.Lock()
	nonBlocking := s.options.nonBlocking
	s.mu.Unlock()
	late := func(err error) error { return err }
	switch {
	case nonBlocking:
		ctx, cancel := context.WithDeadline(ctx, time.Unix(1, 0))
		return ctx, cancel, func(err error) error {
			if errors.Is(err, context.DeadlineExceeded) {
				return WSAEWOULDBLOCK
			}
			return err
		}
	case limit == 0:
		return ctx, func() {}, late
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, late
}

// interrupted returns WSAEINTR for a call during which the socket was closed.
func interrupted(err error) error {
	if errors.Is(err, reservation.ErrClosed) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", WSAEINTR, err)
	}
	return err
}

// Shutdown ends sending (SHUT_WR), receiving (SHUT_RD) or both (SHUT_RDWR): later calls fail with
// WSAESHUTDOWN, and a TCP peer sees the end of the stream. It returns WSAENOTCONN for a TCP socket
// without a connection and WSAEOPNOTSUPP if the network cannot end one direction alone.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-shutdown
func (p *Process) Shutdown(fd Handle, how int) (err error) {
	s, err := p.socket(fd)
	switch {
	case err != nil:
		return p.fail(err)
	case how < SHUT_RD || how > SHUT_RDWR:
		return p.fail(WSAEINVAL)
	case !s.isConnected():
		return p.fail(WSAENOTCONN)
	}
	if s.protocol == reservation.TCP && how != SHUT_RD {
		half, can := s.network.(interface{ CloseWrite() error })
		if !can {
			return p.fail(WSAEOPNOTSUPP)
		}
		if err := half.CloseWrite(); err != nil {
			return p.fail(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendShut = s.sendShut || how != SHUT_RD
	s.recvShut = s.recvShut || how != SHUT_WR
	return nil
}
