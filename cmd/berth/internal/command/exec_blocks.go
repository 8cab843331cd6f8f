package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/berthkit/berth/cmd/berth/internal/supervise"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/sockets/hold"
)

// berths are the blocks that a program runs on, and what keeps them.
type berths struct {
	endpoints []reservation.Endpoint
	blocks    []supervise.Block
}

// takeBlocks takes the blocks of a request, all or none. The berths are to be closed in any case.
func takeBlocks(ctx context.Context, computer *system.Computer, request *execRequest) (*berths, error) {
	taken := new(berths)
	for _, wanted := range request.blocks {
		if err := taken.take(ctx, computer, request, wanted); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

func (t *berths) take(ctx context.Context, computer *system.Computer, request *execRequest, wanted execBlock) error {
	endpoint, err := computer.Open(ctx, wanted.protocol)
	if err != nil {
		return err
	}
	t.endpoints = append(t.endpoints, endpoint)
	if wanted.ports.IsValid() {
		token, err := computer.LookupPersistent(ctx, wanted.protocol, wanted.ports)
		if err == nil {
			err = named(endpoint.Associate(ctx, token), wanted.ports)
		}
		if err != nil {
			return err
		}
		block, err := hold.New().Hold(ctx, wanted.protocol, wanted.ports)
		if err != nil {
			return nameHolder(ctx, computer, err)
		}
		t.blocks = append(t.blocks, block)
		return nil
	}
	acquired, err := endpoint.Acquire(ctx, reservation.Request{
		Count: wanted.count, Align: request.align, Within: request.within, Label: labelOf(request.command[0]),
	})
	if err == nil {
		err = named(endpoint.Associate(ctx, acquired.Token), acquired.Range)
	}
	if err != nil {
		return err
	}
	t.blocks = append(t.blocks, blockOf(endpoint, wanted.protocol, acquired.Range))
	return nil
}

// labelOf returns the label under which others see the block of a program.
func labelOf(command string) string {
	label := filepath.Base(command)
	if reservation.ValidateLabel(label) != nil {
		return ""
	}
	return label
}

// named puts the ports into an error that speaks of a token, which the user has not seen.
func named(err error, ports reservation.Range) error {
	var refused *reservation.Error
	if !errors.As(err, &refused) {
		return err
	}
	withPorts := *refused
	withPorts.Range = ports
	return &withPorts
}

// nameHolder adds to an error about a port who has it.
func nameHolder(ctx context.Context, computer *system.Computer, err error) error {
	var refused *reservation.Error
	if !errors.As(err, &refused) || !errors.Is(err, reservation.ErrInUse) || refused.Conflict != nil {
		return err
	}
	explained, explainErr := computer.Explain(ctx, refused.Protocol, refused.Range)
	if explainErr != nil || len(explained.InUse) == 0 {
		return err
	}
	withHolder := *refused
	withHolder.Conflict = &reservation.Conflict{Socket: &explained.InUse[0], Others: len(explained.InUse) - 1}
	return &withHolder
}

// blockOf returns the block that an endpoint is associated with.
func blockOf(endpoint reservation.Endpoint, protocol reservation.Protocol, ports reservation.Range) supervise.Block {
	if kept, ok := endpoint.(reservation.KeptEndpoint); ok {
		if block, ok := kept.Kept().(*hold.Block); ok && block != nil {
			return block
		}
	}
	return &endpointBlock{endpoint, protocol, ports}
}

// An endpointBlock is a block that the system itself keeps, as Windows does, for as long as the
// endpoint is open. It can only be let go.
type endpointBlock struct {
	endpoint reservation.Endpoint
	protocol reservation.Protocol
	ports    reservation.Range
}

func (b *endpointBlock) Protocol() reservation.Protocol { return b.protocol }
func (b *endpointBlock) Range() reservation.Range       { return b.ports }
func (b *endpointBlock) Close() error                   { return b.endpoint.Close() }

func (b *endpointBlock) Bind(int, netip.AddrPort) error { return reservation.ErrUnsupported }
func (b *endpointBlock) Listen(int, int) error          { return reservation.ErrUnsupported }

func (t *berths) ranges() ranges {
	all := make(ranges)
	for _, block := range t.blocks {
		all[block.Protocol()] = block.Range()
	}
	return all
}

func (t *berths) close() {
	for _, block := range t.blocks {
		_ = block.Close()
	}
	for _, endpoint := range t.endpoints {
		_ = endpoint.Close()
	}
}

// listen binds a socket to every port, TCP's listening, for the program to inherit.
func (t *berths) listen(ctx context.Context, address netip.Addr) ([]supervise.PassedFile, error) {
	var passed []supervise.PassedFile
	for _, block := range t.blocks {
		held, ok := block.(*hold.Block)
		if !ok {
			return passed, &reservation.Error{Op: opBind, Protocol: block.Protocol(), Range: block.Range(), Err: reservation.ErrUnsupported}
		}
		for port := range held.Range().Ports() {
			file, err := listenOn(ctx, held, netip.AddrPortFrom(address, port))
			if err != nil {
				closeAll(passed)
				return nil, err
			}
			passed = append(passed, supervise.PassedFile{File: file, Name: fmt.Sprintf("%s-%d", held.Protocol(), port)})
		}
	}
	return passed, nil
}

func closeAll(files []supervise.PassedFile) {
	for _, file := range files {
		_ = file.File.Close()
	}
}

// listenOn binds one socket from a block and returns it as a file.
func listenOn(ctx context.Context, block *hold.Block, address netip.AddrPort) (*os.File, error) {
	network := block.Protocol().String()
	if address.Addr().Is4() {
		network += "4" // else 0.0.0.0 would mean both families
	}
	if block.Protocol() == pool.UDP {
		conn, err := block.ListenUDP(ctx, network, net.UDPAddrFromAddrPort(address), nil)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.File()
	}
	listener, err := block.ListenTCP(ctx, network, net.TCPAddrFromAddrPort(address), nil)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	return listener.File()
}
