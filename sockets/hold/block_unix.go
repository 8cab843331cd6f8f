//go:build unix

package hold

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

type control = func(network, address string, c syscall.RawConn) error

func (b *Block) listenUDP(ctx context.Context, network string, laddr *net.UDPAddr, prepare control) (*net.UDPConn, error) {
	if laddr == nil || !b.ports.Contains(uint16(laddr.Port)) || b.protocol != pool.UDP {
		return nil, b.refuse(0, fmt.Errorf("%w: not a port of udp %v", reservation.ErrInvalid, b.ports))
	}
	var conn *net.UDPConn
	err := b.handOver(uint16(laddr.Port), func() error {
		config := net.ListenConfig{Control: prepare}
		c, err := config.ListenPacket(ctx, network, laddr.String())
		if err == nil {
			conn = c.(*net.UDPConn)
		}
		return err
	})
	return conn, err
}

func (b *Block) listenTCP(ctx context.Context, network string, laddr *net.TCPAddr, prepare control) (*net.TCPListener, error) {
	if laddr == nil || !b.ports.Contains(uint16(laddr.Port)) || b.protocol != pool.TCP {
		return nil, b.refuse(0, fmt.Errorf("%w: not a port of tcp %v", reservation.ErrInvalid, b.ports))
	}
	var listener *net.TCPListener
	err := b.handOver(uint16(laddr.Port), func() error {
		config := net.ListenConfig{Control: prepare}
		l, err := config.Listen(ctx, network, laddr.String())
		if err == nil {
			listener = l.(*net.TCPListener)
		}
		return err
	})
	return listener, err
}

func (b *Block) bind(socket int, address netip.AddrPort) error {
	if !b.ports.Contains(address.Port()) {
		return b.refuse(address.Port(), fmt.Errorf("%w: not a port of %v", reservation.ErrInvalid, b.ports))
	}
	return b.handOver(address.Port(), func() error { return unix.Bind(socket, sockaddrOf(address)) })
}

func (b *Block) listen(socket int, backlog int) error { return unix.Listen(socket, backlog) }

// handOver closes the guards of a port and binds at once.
func (b *Block) handOver(number uint16, bind func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.refuse(number, reservation.ErrClosed)
	}
	p := &b.held[number-b.ports.First()]
	if p.out {
		return b.refuse(number, fmt.Errorf("%w: handed out", reservation.ErrInUse))
	}
	p.guards.close()
	p.guards = nil
	if err := bind(); err != nil {
		p.guards, _ = openGuards(b.protocol, number)
		return b.refuse(number, withCondition(err))
	}
	p.out = true
	return nil
}

func (b *Block) takeBack(number uint16) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || !b.ports.Contains(number) || !b.held[number-b.ports.First()].out {
		return nil
	}
	b.held[number-b.ports.First()].out = false
	return nil
}

func (b *Block) letGo() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for i := range b.held {
		b.held[i].guards.close()
		b.held[i].guards = nil
	}
	return nil
}

func (b *Block) refuse(number uint16, err error) error {
	return &reservation.Error{Op: "bind", Protocol: b.protocol, Range: pool.RangeOf(number), Err: err}
}
