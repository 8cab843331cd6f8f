//go:build heavy

package main

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/moby/moby/v2/daemon/libnetwork/portallocator"
	"github.com/moby/moby/v2/daemon/libnetwork/types"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

var loopback = net.IPv4(127, 0, 0, 1)

// mobyAllocator returns moby's port allocator as a core. It cannot be asked whether a port is taken
// without taking it, so it is measured where blocks come and go alone.
func mobyAllocator() []cores.Entry {
	return []cores.Entry{{
		Name: "moby allocator", Module: "github.com/moby/moby/v2", New: newAllocator, Groups: []string{"churn"},
		Description: "Docker's port allocator: a set of ports for each address and protocol",
		Properties:  []string{portByPort, "to ask for a port is to take it and give it back", "locks itself on every call"},
	}}
}

type mobyPorts struct {
	allocator *portallocator.PortAllocator
}

// newAllocator returns the allocator empty. The package has one for the whole process and no way to
// make another, so a core lasts until the next one is made.
func newAllocator() poolbench.Core {
	c := mobyPorts{portallocator.Get()}
	c.allocator.ReleaseAll()
	return c
}

func (c mobyPorts) Insert(r pool.Range) {
	each(r, func(port int) bool {
		return must(c.allocator.RequestPortInRange(loopback, "udp", port, port)) == port
	})
}

func (c mobyPorts) Delete(r pool.Range) {
	for port := range r.Ports() {
		c.allocator.ReleasePort(loopback, "udp", int(port))
	}
}

func (c mobyPorts) Overlaps(r pool.Range) bool {
	return !each(r, func(port int) bool {
		if _, err := c.allocator.RequestPortInRange(loopback, "udp", port, port); err != nil {
			return false
		}
		c.allocator.ReleasePort(loopback, "udp", port)
		return true
	})
}

// mobyPeers returns moby's way to a free UDP port: its allocator, and a bind behind it.
func mobyPeers() []jobs.Peer {
	return []jobs.Peer{{
		Name:       "moby",
		Properties: []string{"gives up after 10 tries", "gives a bound socket, its drop filter detached"},
		Draws:      jobs.GivenPorts,
		Open:       openMoby,
	}}
}

func openMoby(_ context.Context, _ string, within pool.Range) (*jobs.Source, error) {
	allocator := portallocator.NewOSAllocator()
	return &jobs.Source{Get: func(context.Context, func(uint16)) (net.PacketConn, error) {
		port, files, err := allocator.RequestPortsInRange([]net.IP{loopback}, types.UDP, int(within.First()), int(within.Last()))
		if err != nil {
			return nil, err
		}
		giveBack := func() { allocator.ReleasePorts([]net.IP{loopback}, types.UDP, port) }
		conn, err := usable(files[0])
		if err != nil {
			giveBack()
			return nil, err
		}
		return &mobySocket{conn, giveBack}, nil
	}}, nil
}

// usable makes a connection of moby's socket, which drops all packets until its filter is detached.
func usable(file *os.File) (*net.UDPConn, error) {
	defer file.Close()
	if err := portallocator.DetachSocketFilter(file); err != nil {
		return nil, err
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(errors.New("moby gave no UDP socket"), conn.Close())
	}
	return udp, nil
}

// A mobySocket gives its number back when it is closed.
type mobySocket struct {
	*net.UDPConn
	giveBack func()
}

func (s *mobySocket) Close() error {
	err := s.UDPConn.Close()
	s.giveBack()
	return err
}
