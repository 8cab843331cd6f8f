package jobs

import (
	"context"
	"net"

	"github.com/berthkit/berth/pool"
)

// A Peer is a way to get one free UDP port bound on 127.0.0.1.
type Peer struct {
	Name       string
	Properties []string // what a fair reader must know
	Draws      Draw     // where its ports come from

	// Open makes the peer ready to give ports. If it draws from GivenPorts, ports are those. The
	// directory is empty and removed after the source was closed.
	Open func(ctx context.Context, directory string, ports pool.Range) (*Source, error)
}

// A Draw says where a peer takes ports from, and so what "90 % full" means to it.
type Draw uint8

const (
	GivenPorts     Draw = iota + 1 // from a range that it is given
	EphemeralPorts                 // from where the kernel chooses for port 0
	OwnPorts                       // from a range that it chooses itself, Source.Ports
)

// A Source is an opened peer.
type Source struct {
	// Ports is what a peer that draws from OwnPorts has chosen.
	Ports pool.Range

	// Get gets one free UDP port bound on 127.0.0.1. Closing the connection makes it free again and
	// returns it to whoever gave it. A peer that first tells a number and binds it afterwards calls
	// chosen in between, once the number is known: a thief may see it then.
	Get func(ctx context.Context, chosen func(port uint16)) (net.PacketConn, error)

	// Close ends the peer. Nil does nothing.
	Close func() error
}

// GetNumber makes the Get of a [Source] out of a function that tells the number of a port that it
// takes for free, and one, nil if there is none, that takes the number back when the socket is closed.
func GetNumber(number func() (int, error), giveBack func(port int)) func(context.Context, func(uint16)) (net.PacketConn, error) {
	return func(_ context.Context, chosen func(uint16)) (net.PacketConn, error) {
		port, err := number()
		if err != nil {
			return nil, err
		}
		chosen(uint16(port))
		conn, err := listenLoopback(uint16(port))
		switch {
		case giveBack == nil && err == nil:
			return conn, nil
		case giveBack == nil:
			return nil, err
		case err != nil:
			giveBack(port)
			return nil, err
		}
		return &returning{UDPConn: conn, giveBack: func() { giveBack(port) }}, nil
	}
}

// A returning socket gives its number back when it is closed.
type returning struct {
	*net.UDPConn
	giveBack func()
}

func (r *returning) Close() error {
	err := r.UDPConn.Close()
	r.giveBack()
	return err
}
