package jobs

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"github.com/hashicorp/consul/sdk/freeport"
	"github.com/libp2p/go-reuseport"
	phayes "github.com/phayes/freeport"
	"github.com/pion/turn/v4"
	"github.com/shoenig/test/portal"

	"github.com/berthkit/berth/pool"
)

const (
	checksTCP   = "checks TCP only"
	tellsNumber = "tells a number, bound afterwards"
	givesSocket = "gives a bound socket"
)

// peers returns everybody who gives a free port, Berth first and package net, the baseline, second.
func peers(further []Peer) []Peer {
	return append([]Peer{
		{Name: "berth", Properties: []string{"block of one port, acquired, bound, released", givesSocket}, Draws: GivenPorts, Open: openBerthBlock},
		{Name: "berth, no block", Properties: []string{"bind to port 0 through the engine", givesSocket}, Draws: GivenPorts, Open: openBerthBind},
		{Name: "net", Properties: []string{"baseline: port 0", givesSocket}, Draws: EphemeralPorts, Open: openNet},
		{Name: "reuseport", Properties: []string{"port 0 with SO_REUSEPORT: others of the same user may bind it too", givesSocket}, Draws: EphemeralPorts, Open: openReuseport},
		{Name: "pion/turn", Properties: []string{"gives up after 10 tries", givesSocket}, Draws: GivenPorts, Open: openPion},
		{Name: "portal", Properties: []string{checksTCP, tellsNumber}, Draws: EphemeralPorts, Open: openPortal},
		{Name: "phayes", Properties: []string{checksTCP, tellsNumber}, Draws: EphemeralPorts, Open: openPhayes},
		{Name: "consul", Properties: []string{checksTCP, tellsNumber, "from a block of 1,500 ports of its own"}, Draws: OwnPorts, Open: openConsul},
	}, further...)
}

func openNet(context.Context, string, pool.Range) (*Source, error) {
	return &Source{Get: func(context.Context, func(uint16)) (net.PacketConn, error) {
		conn, err := listenLoopback(0)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}, nil
}

func openReuseport(context.Context, string, pool.Range) (*Source, error) {
	if !reuseport.Available() {
		return nil, fmt.Errorf("reuseport is not available on %s", runtime.GOOS)
	}
	return &Source{Get: func(context.Context, func(uint16)) (net.PacketConn, error) {
		return reuseport.ListenPacket("udp4", "127.0.0.1:0")
	}}, nil
}

func openPion(_ context.Context, _ string, ports pool.Range) (*Source, error) {
	generator := &turn.RelayAddressGeneratorPortRange{
		RelayAddress: net.IPv4(127, 0, 0, 1),
		Address:      "127.0.0.1",
		MinPort:      ports.First(),
		MaxPort:      ports.Last(),
	}
	if err := generator.Validate(); err != nil {
		return nil, err
	}
	return &Source{Get: func(context.Context, func(uint16)) (net.PacketConn, error) {
		conn, _, err := generator.AllocatePacketConn("udp4", 0)
		return conn, err
	}}, nil
}

func openPhayes(context.Context, string, pool.Range) (*Source, error) {
	return &Source{Get: GetNumber(phayes.GetFreePort, nil)}, nil
}

func openPortal(context.Context, string, pool.Range) (*Source, error) {
	failure := new(fatal)
	grabber := portal.New(failure)
	return &Source{Get: GetNumber(func() (int, error) {
		port := grabber.One()
		return port, failure.take()
	}, nil)}, nil
}

// A fatal is the test that portal reports to.
type fatal struct{ err error }

func (f *fatal) Fatalf(format string, arguments ...any) { f.err = fmt.Errorf(format, arguments...) }

func (f *fatal) take() error {
	err := f.err
	f.err = nil
	return err
}

// openConsul lets freeport seize its block, which it does once for a process, and works out which one
// it is.
func openConsul(context.Context, string, pool.Range) (*Source, error) {
	ports, err := consulPorts()
	if err != nil {
		return nil, err
	}
	return &Source{
		Ports: ports,
		Get: GetNumber(func() (int, error) {
			taken, err := freeport.Take(1)
			if err != nil {
				return 0, err
			}
			return taken[0], nil
		}, func(port int) { freeport.Return([]int{port}) }),
	}, nil
}

func consulPorts() (r pool.Range, err error) {
	defer func() { // it panics where it finds no block
		if fault := recover(); fault != nil {
			err = fmt.Errorf("freeport: %v", fault)
		}
	}()
	taken, err := freeport.Take(1)
	if err != nil {
		return pool.Range{}, err
	}
	freeport.Return(taken)
	const lowest, size = 10000, 1500 // its blocks; the first port of one is its lock
	first := lowest + (taken[0]-lowest)/size*size + 1
	return pool.RangeFrom(uint16(first), size-1)
}
