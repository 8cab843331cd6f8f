package command

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
)

// An echoServer sends back what its sockets receive.
type echoServer struct {
	protocol reservation.Protocol
	packets  []*sockets.UDPConn
	streams  []*sockets.TCPListener
	local    []netip.AddrPort

	mu          sync.Mutex // guards the fields below
	closed      bool
	connections map[net.Conn]struct{}
}

// bind binds one more socket from the block of token.
func (s *echoServer) bind(ctx context.Context, process reservation.API, token reservation.Token, address netip.Addr) (netip.AddrPort, error) {
	config := &sockets.ListenConfig{Process: process, Token: token}
	network := s.protocol.String()
	switch {
	case address.Is4():
		network += "4"
	case !address.IsUnspecified():
		network += "6"
	}
	want := netip.AddrPortFrom(address, 0)
	var bound net.Addr
	switch s.protocol {
	case reservation.UDP:
		conn, err := config.ListenUDP(ctx, network, net.UDPAddrFromAddrPort(want))
		if err != nil {
			return netip.AddrPort{}, err
		}
		s.packets, bound = append(s.packets, conn), conn.LocalAddr()
	default:
		listener, err := config.ListenTCP(ctx, network, net.TCPAddrFromAddrPort(want))
		if err != nil {
			return netip.AddrPort{}, err
		}
		s.streams, bound = append(s.streams, listener), listener.Addr()
	}
	local, err := netip.ParseAddrPort(bound.String())
	s.local = append(s.local, local)
	return local, err
}

// addresses returns the addresses of the sockets, in the order of binding.
func (s *echoServer) addresses() []netip.AddrPort { return s.local }

// serve echoes until ctx is done, which is no error, or until a socket fails.
func (s *echoServer) serve(ctx context.Context) error {
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var loops sync.WaitGroup
	for _, conn := range s.packets {
		loops.Go(func() { fail(s.echoPackets(conn)) })
	}
	for _, listener := range s.streams {
		loops.Go(func() { fail(s.acceptStreams(listener, &loops)) })
	}
	<-serving.Done()
	s.close()
	loops.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(serving)
}

// echoPackets sends datagrams back to where they come from, except to one of the server's own
// sockets: a datagram that claims to be of one would go around for ever.
func (s *echoServer) echoPackets(conn *sockets.UDPConn) error {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		if !s.isOwn(from) {
			// A datagram that cannot be sent back is lost, as datagrams may be.
			_, _ = conn.WriteToUDPAddrPort(buffer[:n], from)
		}
	}
}

// isOwn reports whether address is one of the server's sockets, as far as a datagram's source tells.
func (s *echoServer) isOwn(address netip.AddrPort) bool {
	ip := address.Addr().Unmap()
	return slices.ContainsFunc(s.local, func(local netip.AddrPort) bool {
		return local.Port() == address.Port() &&
			(local.Addr() == ip || local.Addr().IsUnspecified() && ip.IsLoopback())
	})
}

func (s *echoServer) acceptStreams(listener *sockets.TCPListener, loops *sync.WaitGroup) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		if !s.track(conn) {
			conn.Close()
			return net.ErrClosed
		}
		loops.Go(func() {
			defer s.untrack(conn)
			_, _ = io.Copy(conn, conn) // ends when either side does
		})
	}
}

// track remembers a connection for close. It reports false if that was already.
func (s *echoServer) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.connections == nil {
		s.connections = make(map[net.Conn]struct{})
	}
	s.connections[conn] = struct{}{}
	return true
}

func (s *echoServer) untrack(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, conn)
}

// close closes every socket. A second close does nothing.
func (s *echoServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, conn := range s.packets {
		conn.Close()
	}
	for _, listener := range s.streams {
		listener.Close()
	}
	for conn := range s.connections {
		conn.Close()
	}
}
