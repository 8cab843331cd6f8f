package jobs

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/sockets"
)

// storeName is the file below a job's directory where Berth keeps its reservations.
const storeName = "berth.db"

// bootID is the boot that the jobs pretend to be in.
const bootID = "berthbench"

// openComputer returns this computer's engine as any program opens it, but on a store of its own.
func openComputer(ctx context.Context, directory string) (*system.Computer, error) {
	return system.Open(ctx, &system.Options{Store: filepath.Join(directory, storeName), BootID: bootID})
}

// openPortComputer is openComputer with ports as the range that the engine chooses from.
func openPortComputer(ctx context.Context, directory string, ports pool.Range) (*system.Computer, error) {
	computer, err := openComputer(ctx, directory)
	if err != nil {
		return nil, err
	}
	if err := computer.SetDynamic(ctx, reservation.UDP, ports); err != nil {
		return nil, errors.Join(err, computer.Close())
	}
	return computer, nil
}

// openBerthBlock gets a port as a reservation does: a block of one port is acquired, a socket bound
// from it, and with the socket both end.
func openBerthBlock(ctx context.Context, directory string, ports pool.Range) (*Source, error) {
	computer, err := openPortComputer(ctx, directory, ports)
	if err != nil {
		return nil, err
	}
	get := func(ctx context.Context, chosen func(uint16)) (net.PacketConn, error) {
		socket, err := sockets.Open(ctx, computer, reservation.UDP)
		if err != nil {
			return nil, err
		}
		conn, err := bindFromBlock(ctx, socket, chosen)
		if err != nil {
			return nil, errors.Join(err, socket.Close())
		}
		return conn, nil
	}
	return &Source{Get: get, Close: computer.Close}, nil
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
func openBerthBind(ctx context.Context, directory string, ports pool.Range) (*Source, error) {
	computer, err := openPortComputer(ctx, directory, ports)
	if err != nil {
		return nil, err
	}
	config := &sockets.ListenConfig{Process: computer}
	get := func(ctx context.Context, _ func(uint16)) (net.PacketConn, error) {
		conn, err := config.ListenUDP(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	return &Source{Get: get, Close: computer.Close}, nil
}
