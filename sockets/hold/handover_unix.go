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

// claim makes a port busy that no socket has.
func (b *Block) claim(number uint16) (*port, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, b.refuse(number, reservation.ErrClosed)
	}
	p := b.at(number)
	if p.busy || p.out {
		return nil, b.refuse(number, fmt.Errorf("%w: the port is handed out to another socket of this block", reservation.ErrInUse))
	}
	p.busy = true
	return p, nil
}

// finish makes a busy port idle again. If the block was closed meanwhile nobody else lets go of the
// port.
func (b *Block) finish(p *port, out bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.busy = false
	p.out = p.out || out
	if b.closed {
		p.guards.close()
		p.guards = nil
	}
	b.idle.Broadcast()
}

// listenUDP hands a port over to a new UDP socket.
func (b *Block) listenUDP(ctx context.Context, network string, laddr *net.UDPAddr, prepare control) (*net.UDPConn, error) {
	p, err := b.claim(uint16(laddr.Port))
	if err != nil {
		return nil, err
	}
	var conn *net.UDPConn
	defer func() { b.finish(p, conn != nil) }()
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
	return conn, nil
}

// listenTCP hands a port over to a new TCP socket that listens.
func (b *Block) listenTCP(ctx context.Context, network string, laddr *net.TCPAddr, prepare control) (*net.TCPListener, error) {
	p, err := b.claim(uint16(laddr.Port))
	if err != nil {
		return nil, err
	}
	var listener *net.TCPListener
	defer func() { b.finish(p, listener != nil) }()
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
	p.guards = nil
	err := bind()
	if err == nil {
		return nil
	}
	var again error
	if p.guards, again = openGuards(nil, b.protocol, b.spans, number); again != nil {
		b.lookLater(number, firstLook)
	}
	return err
}

// takeBack has a returned port guarded again. It is called with the block's lock held.
func (b *Block) takeBack(number uint16) {
	if b.handover == WithGap {
		b.lookLater(number, firstLook)
	}
}

// lookLater guards a port again that has no guards, as soon as it is free.
func (b *Block) lookLater(number uint16, pause time.Duration) {
	time.AfterFunc(pause, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		p := b.at(number)
		if b.closed || len(p.guards) > 0 {
			return
		}
		if !p.busy {
			p.guards, _ = openGuards(nil, b.protocol, b.spans, number)
		}
		if len(p.guards) == 0 {
			b.lookLater(number, min(2*pause, lastLook))
		}
	})
}
