package jobs

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/inuse"
)

// newHost returns the engine of a computer whose dynamic range is ports, on a journal without a disk:
// runtime reservations need none. The rest is as package reservation/system wires it.
func newHost(ctx context.Context, ports pool.Range) (*reservation.Host, error) {
	return reservation.New(ctx, reservation.Config{
		Journal: reservation.NewMemoryJournal(),
		Ports:   inuse.New(),
		BootID:  "berthbench",
		Dynamic: map[reservation.Protocol]reservation.Range{reservation.UDP: ports},
	})
}

func caller() reservation.Caller {
	return reservation.Caller{PID: uint32(os.Getpid()), Elevated: true}
}

// openBerthBlock gets a port as a reservation does: a block of one port is acquired, a socket bound
// from it, and with the socket both end.
func openBerthBlock(ctx context.Context, ports pool.Range) (*Source, error) {
	host, err := newHost(ctx, ports)
	if err != nil {
		return nil, err
	}
	process := host.Process(caller())
	get := func(ctx context.Context, chosen func(uint16)) (net.PacketConn, error) {
		socket, err := sockets.Open(ctx, process, reservation.UDP)
		if err != nil {
			return nil, err
		}
		conn, err := bindFromBlock(ctx, socket, chosen)
		if err != nil {
			return nil, errors.Join(err, socket.Close())
		}
		return conn, nil
	}
	return &Source{Get: get, Close: host.Close}, nil
}

func bindFromBlock(ctx context.Context, socket *sockets.Socket, chosen func(uint16)) (net.PacketConn, error) {
	block, err := socket.Acquire(ctx, reservation.Request{Count: 1})
	if err != nil {
		return nil, err
	}
	chosen(block.Range.First())
	if err := socket.Associate(ctx, block.Token); err != nil {
		return nil, err
	}
	conn, err := socket.BindUDP(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// openBerthBind gets a port without a reservation: the engine chooses it from the dynamic range.
func openBerthBind(ctx context.Context, ports pool.Range) (*Source, error) {
	host, err := newHost(ctx, ports)
	if err != nil {
		return nil, err
	}
	config := &sockets.ListenConfig{Process: host.Process(caller())}
	get := func(ctx context.Context, _ func(uint16)) (net.PacketConn, error) {
		conn, err := config.ListenUDP(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	return &Source{Get: get, Close: host.Close}, nil
}
