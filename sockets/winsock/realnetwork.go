package winsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// RealNetwork returns the network of this computer: what is sent arrives. Its sockets are package
// net's, which do in one step what Winsock does in two, so three things differ from Windows:
//
//   - A TCP socket listens from its bind on; Listen only allows Accept. A client that comes in
//     between is kept waiting, not refused.
//   - Connect of a TCP socket gives up the port that Bind got and asks for it again; a stranger may
//     be faster, which is WSAEADDRINUSE.
//   - Sockets share a port (SO_REUSEADDR) as far as this system lets them: UDP sockets do, TCP
//     sockets do on Windows.
func RealNetwork() reservation.Network { return realNetwork{} }

type realNetwork struct{}

// OpenSocket implements [reservation.Network].
func (realNetwork) OpenSocket(family reservation.Family, protocol reservation.Protocol) (reservation.NetworkSocket, error) {
	if family != reservation.IPv4 && family != reservation.IPv6 {
		return nil, fmt.Errorf("%w: address family %d", reservation.ErrInvalid, family)
	}
	switch protocol {
	case reservation.UDP:
		s := new(realUDP)
		s.open(family)
		return s, nil
	case reservation.TCP:
		s := new(realTCP)
		s.open(family)
		return s, nil
	}
	return nil, fmt.Errorf("%w: %s", reservation.ErrInvalid, protocol)
}

// A realSocket is what the sockets of both protocols have in common.
type realSocket struct {
	family reservation.Family
	reads  turn // whose turn it is to wait for data; the deadline is that one's
	writes turn

	mu      sync.Mutex // guards what follows and the fields of the protocol's own type
	options reservation.SocketOptions
	tag     func(syscall.RawConn) error
	local   netip.AddrPort
	peer    netip.AddrPort
	held    *hold.Block // keeps the socket's port when the socket does not; nil if nobody does
	closed  bool
}

func (s *realSocket) open(family reservation.Family) {
	s.family, s.reads, s.writes = family, make(turn, 1), make(turn, 1)
}

// SetOptions implements [reservation.NetworkSocket].
func (s *realSocket) SetOptions(options reservation.SocketOptions) error {
	if options.ReuseAddress && options.Exclusive {
		return fmt.Errorf("%w: an address is either reused or exclusive", reservation.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return reservation.ErrClosed
	}
	s.options = options
	return nil
}

// LocalAddress implements [reservation.NetworkSocket].
func (s *realSocket) LocalAddress() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.local
}

// PeerAddress implements [reservation.NetworkSocket].
func (s *realSocket) PeerAddress() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

func (s *realSocket) beforeBind(tag func(syscall.RawConn) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tag = tag
}

// mayBindLocked returns an error unless the socket is open and not bound.
func (s *realSocket) mayBindLocked() error {
	switch {
	case s.closed:
		return reservation.ErrClosed
	case s.local.IsValid():
		return fmt.Errorf("%w: the socket is bound", reservation.ErrState)
	}
	return nil
}

// bindKeptLocked binds the socket, by way of bind, from the block that keeps its port. A block that
// is not held by real sockets has nothing to hand over.
func (s *realSocket) bindKeptLocked(block reservation.KeptBlock, bind func() error) error {
	s.held, _ = block.(*hold.Block)
	err := bind()
	if err != nil {
		s.held = nil
	}
	return err
}

// returnLocked has the block keep the socket's port again. What binds the port is closed afterwards.
func (s *realSocket) returnLocked() {
	if s.held != nil {
		_ = s.held.Return(s.local.Port()) // fails where somebody else was faster, who then has the port
	}
}

// networkLocked returns package net's name for the protocol, the family and the options.
func (s *realSocket) networkLocked(protocol string) string {
	switch {
	case s.family == reservation.IPv4:
		return protocol + "4"
	case s.options.DualMode:
		return protocol
	}
	return protocol + "6"
}

// controlLocked returns what prepares the system's socket for its bind.
func (s *realSocket) controlLocked() func(network, address string, c syscall.RawConn) error {
	options, tag, held := s.options, s.tag, s.held != nil
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = setSystemOptions(fd, options, held) })
		if err := errors.Join(err, failed); err != nil || tag == nil {
			return err
		}
		return tag(c)
	}
}

// shown returns an address as sockets of the family show it.
func (s *realSocket) shown(address net.Addr) netip.AddrPort {
	var shown netip.AddrPort
	switch a := address.(type) {
	case *net.UDPAddr:
		shown = a.AddrPort()
	case *net.TCPAddr:
		shown = a.AddrPort()
	}
	return s.inFamily(shown)
}

func (s *realSocket) inFamily(address netip.AddrPort) netip.AddrPort {
	ip := address.Addr()
	switch {
	case s.family == reservation.IPv4:
		ip = ip.Unmap()
	case ip.Is4():
		ip = netip.AddrFrom16(ip.As16())
	}
	return netip.AddrPortFrom(numbered(ip), address.Port())
}

// numbered returns ip with the number of its zone, where package net has the interface's name.
func numbered(ip netip.Addr) netip.Addr {
	zone := ip.Zone()
	if zone == "" {
		return ip
	}
	if link, err := net.InterfaceByName(zone); err == nil {
		return ip.WithZone(strconv.Itoa(link.Index))
	}
	return ip
}

// A turn is taken by one goroutine at a time.
type turn chan struct{}

// glance is how long a call with a context that is done from the start looks for data: a datagram that
// is there is found, but package net does not look at all once a deadline has passed.
const glance = 2 * time.Millisecond

// during calls do when it is the caller's turn. While do runs, the end of ctx lets the deadline of
// what do waits for pass. It returns ctx's error if that is why do ended.
func (t turn) during(ctx context.Context, setDeadline func(time.Time) error, do func() error) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	defer func() { <-t }()
	if ctx.Err() != nil {
		return briefly(ctx, setDeadline, do)
	}
	if err := setDeadline(time.Time{}); err != nil {
		return withCondition(err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = setDeadline(time.Unix(1, 0)) // fails for what is closed, which do notices itself
		close(ended)
	})
	err := do()
	if !stop() {
		<-ended // else it might set the deadline of whose turn is next
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
	}
	return withCondition(err)
}

// take waits for the turn. One that is free is had even if ctx is done.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// briefly is during for a ctx that is done from the start: it looks at what is there.
func briefly(ctx context.Context, setDeadline func(time.Time) error, do func() error) error {
	if err := setDeadline(time.Now().Add(glance)); err != nil {
		return withCondition(err)
	}
	err := do()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return withCondition(err)
}
