package machine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// WriteTo writes what there is on the machine, a line each and sorted, so that two dumps can be
// compared: the boot, the dynamic ranges, services, processes, blocks, bound sockets. Tokens are left out,
// for nobody can read them. It implements [io.WriterTo].
func (m *Machine) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(m.dump())
	return int64(n), err
}

func (m *Machine) dump() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "machine seed %d, boot %d, %s\n", m.config.Seed, m.boot, m.now().UTC().Format(time.RFC3339))
	if m.session.over.Load() {
		b.WriteString("off\n")
		return b.Bytes()
	}
	for _, protocol := range pool.Protocols() {
		if r, err := m.system.Dynamic(context.Background(), protocol); err == nil {
			fmt.Fprintf(&b, "dynamic %s %s\n", protocol, r)
		}
	}
	for _, s := range m.services {
		b.WriteString(s.describe())
	}
	for _, p := range m.sortedProcesses() {
		fmt.Fprintf(&b, "process %s\n", p)
	}
	blocks, err := m.system.List(context.Background(), 0)
	if err != nil {
		fmt.Fprintf(&b, "blocks: %v\n", err)
	}
	for _, block := range blocks {
		fmt.Fprintf(&b, "block %s\n", describeBlock(block))
	}
	for _, s := range m.network.describe() {
		fmt.Fprintf(&b, "socket %s\n", s)
	}
	return b.Bytes()
}

func (m *Machine) sortedProcesses() []*Process {
	processes := make([]*Process, 0, len(m.processes))
	for p := range m.processes {
		processes = append(processes, p)
	}
	slices.SortFunc(processes, func(a, b *Process) int { return cmp.Compare(a.pid, b.pid) })
	return processes
}

// String describes the process: number, program, user, privilege.
func (p *Process) String() string {
	return fmt.Sprintf("%d %s, user %q, %s", p.pid, p.program.Name, p.program.User, p.program.Privilege)
}

func (s *service) describe() string {
	state := "running"
	if s.process == nil {
		state = "stopped"
	}
	if s.failure != nil {
		state += ", refused: " + strings.ReplaceAll(s.failure.Error(), "\n", "; ")
	}
	return fmt.Sprintf("service %s, %s\n", s.Name, state)
}

func describeBlock(b reservation.Block) string {
	var d strings.Builder
	fmt.Fprintf(&d, "%s %s %s", b.Protocol, b.Range, b.Kind)
	if b.Kind == reservation.Exclusion {
		fmt.Fprintf(&d, ", %s store", b.Store)
	}
	if b.Label != "" {
		fmt.Fprintf(&d, ", label %q", b.Label)
	}
	if b.PID != 0 {
		fmt.Fprintf(&d, ", process %d", b.PID)
	}
	if b.Bound > 0 {
		fmt.Fprintf(&d, ", bound %d", b.Bound)
	}
	return d.String()
}

// describe returns the bound sockets, by protocol, port, and the order in which they were opened, then
// the ports of closed connections that still wait.
func (n *network) describe() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines []string
	for _, protocol := range pool.Protocols() {
		space := n.spaces[protocol]
		for _, port := range n.inUseLocked(protocol, pool.AllPorts) {
			sockets := slices.SortedFunc(slices.Values(space.at[port]), func(a, b *socket) int { return cmp.Compare(a.number, b.number) })
			for _, s := range sockets {
				lines = append(lines, s.describe())
			}
			if len(sockets) == 0 {
				lines = append(lines, fmt.Sprintf("%s %d waits after a connection", protocol, port))
			}
		}
	}
	return lines
}

// describe says what the socket is. An unbound one is nowhere yet.
func (s *socket) describe() string {
	var d strings.Builder
	fmt.Fprintf(&d, "%s ", s.protocol)
	if s.isBound() {
		d.WriteString(s.local.String())
	} else {
		d.WriteString("unbound")
	}
	switch {
	case s.options.ReuseAddress:
		d.WriteString(" reuse")
	case s.options.Exclusive:
		d.WriteString(" exclusive")
	}
	if s.options.DualMode {
		d.WriteString(" dual")
	}
	if s.listens {
		d.WriteString(" listening")
	}
	if s.peer.IsValid() {
		fmt.Fprintf(&d, " to %s", s.show(s.peer))
	}
	fmt.Fprintf(&d, ", process %d", s.process.pid)
	return d.String()
}

// Leaks tells what the machine's processes still hold, a line each and sorted: open sockets, bound or
// not, and runtime reservations. Services and the programs of Occupy and Steal do not count, persistent
// reservations neither, for they are meant to stay.
func (m *Machine) Leaks() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session.over.Load() {
		return nil
	}
	guests := make(map[uint32]*Process)
	for _, p := range m.sortedProcesses() {
		if !p.stranger {
			guests[p.pid] = p
		}
	}
	leaks := m.network.leaks(guests)
	blocks, err := m.system.List(context.Background(), 0)
	if err != nil {
		leaks = append(leaks, fmt.Sprintf("the blocks cannot be listed: %v", err))
	}
	for _, b := range blocks {
		if b.Kind == reservation.Runtime && guests[b.PID] != nil {
			leaks = append(leaks, "block "+describeBlock(b)+" ("+b.Program+")")
		}
	}
	return leaks
}

func (n *network) leaks(guests map[uint32]*Process) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines []string
	for _, s := range n.openLocked(func(s *socket) bool { return guests[s.process.pid] == s.process }) {
		lines = append(lines, fmt.Sprintf("socket %s (%s)", s.describe(), s.process.program.Name))
	}
	return lines
}
