//go:build unix

package hold

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/berthkit/berth/reservation"
)

// How often a hold that hands over with a gap looks whether a returned port is free: the pause
// doubles from the first to the last.
const (
	firstLook = time.Millisecond
	lastLook  = time.Second
)

// claim makes a port busy as soon as it is idle.
func (b *Block) claim(ctx context.Context, number uint16) (*port, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.at(number)
	if p.busy {
		stop := context.AfterFunc(ctx, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.idle.Broadcast()
		})
		defer stop()
		for p.busy && !b.closed && ctx.Err() == nil {
			b.idle.Wait()
		}
	}
	if b.closed {
		return nil, b.refuse(number, reservation.ErrClosed)
	}
	if p.busy {
		return nil, b.refuse(number, fmt.Errorf("wait for another handover of the port: %w", ctx.Err()))
	}
	p.busy = true
	return p, nil
}

// finish makes a busy port idle again, which so many sockets more have now. If the block was closed
// meanwhile nobody else lets go of the port.
func (b *Block) finish(p *port, sockets int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.busy = false
	p.out += sockets
	if b.closed {
		p.guards.close()
		p.guards = nil
	}
	b.idle.Broadcast()
}

// listenUDP hands a port over to a new UDP socket.
func (b *Block) listenUDP(ctx context.Context, network string, laddr *net.UDPAddr, prepare control) (*net.UDPConn, error) {
	p, err := b.claim(ctx, uint16(laddr.Port))
	if err != nil {
		return nil, err
	}
	sockets := 0
	defer func() { b.finish(p, sockets) }()
	var conn *net.UDPConn
	if b.handover == Gapless {
		conn, err = b.listenUDPBeside(ctx, p, network, laddr, prepare)
	} else {
		err = b.bindInstead(p, uint16(laddr.Port), func() error {
			var err error
			conn, err = listenPacket(ctx, prepare, network, laddr)
			return err
		})
	}
	if err != nil {
		return nil, b.refuse(uint16(laddr.Port), withCondition(err))
	}
	sockets = 1
	return conn, nil
}

// listenTCP hands a port over to a new TCP socket that listens.
func (b *Block) listenTCP(ctx context.Context, network string, laddr *net.TCPAddr, prepare control) (*net.TCPListener, error) {
	p, err := b.claim(ctx, uint16(laddr.Port))
	if err != nil {
		return nil, err
	}
	sockets := 0
	defer func() { b.finish(p, sockets) }()
	var listener *net.TCPListener
	if b.handover == Gapless {
		listener, err = b.listenTCPBeside(p, network, laddr, prepare)
	} else {
		err = b.bindInstead(p, uint16(laddr.Port), func() error {
			config := net.ListenConfig{Control: prepare}
			config.SetMultipathTCP(false)
			l, err := config.Listen(ctx, network, laddr.String())
			if err == nil {
				listener = l.(*net.TCPListener)
			}
			return err
		})
	}
	if err != nil {
		return nil, b.refuse(uint16(laddr.Port), withCondition(err))
	}
	sockets = 1
	return listener, nil
}

func listenPacket(ctx context.Context, prepare control, network string, laddr *net.UDPAddr) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: prepare}
	conn, err := config.ListenPacket(ctx, network, laddr.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// bindInstead closes the guards of a busy port and binds at once. If that fails the port is guarded
// again, or as soon as whoever was faster lets go of it.
func (b *Block) bindInstead(p *port, number uint16, bind func() error) error {
	p.guards.close()
	p.guards, p.missing = nil, b.spans
	err := bind()
	if err != nil && b.guardMissing(p, number) != nil {
		b.lookLater(number, firstLook)
	}
	return err
}

// guardMissing binds the guards that a port lacks, if nobody has it.
func (b *Block) guardMissing(p *port, number uint16) error {
	fresh, err := openGuards(nil, b.protocol, p.missing, number)
	if err == nil {
		p.complete(fresh)
	}
	return err
}

// complete adds the guards that a port lacks: that for IPv6 comes first.
func (p *port) complete(fresh guards) {
	if p.missing[0] == onlyIPv4 {
		fresh = append(p.guards, fresh...)
	} else {
		fresh = append(fresh, p.guards...)
	}
	p.guards, p.missing = fresh, nil
}

// lookLater guards a port again that lacks guards, as soon as it is free.
func (b *Block) lookLater(number uint16, pause time.Duration) {
	time.AfterFunc(pause, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		p := b.at(number)
		if b.closed || len(p.missing) == 0 {
			return
		}
		if p.busy || b.guardMissing(p, number) != nil {
			b.lookLater(number, min(2*pause, lastLook))
		}
	})
}
