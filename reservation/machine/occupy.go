package machine

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/berthkit/berth/reservation"
)

// otherUser is whose sockets the programs of Occupy and Steal have.
const otherUser = "somebody else"

// Occupy starts another program of another user, which binds a port on all addresses. The engine has
// its say as with any program: a reserved port is ErrDenied, an exclusion is no obstacle. It returns
// ErrInUse if a socket has the port, and ErrInvalid for port 0. The program ends with
// [Machine.Vacate] or [Process.Exit].
func (m *Machine) Occupy(protocol Protocol, port uint16, program string) (*Process, error) {
	if port == 0 {
		return nil, fmt.Errorf("occupy %s port 0: %w", protocol, reservation.ErrInvalid)
	}
	m.mu.Lock()
	p := m.run(Program{Name: program, User: otherUser}, true)
	m.mu.Unlock()
	if err := p.occupy(protocol, port); err != nil {
		p.Exit()
		return nil, fmt.Errorf("occupy %s port %d: %w", protocol, port, err)
	}
	m.setOccupant(protocol, port, p)
	return p, nil
}

func (p *Process) occupy(protocol Protocol, port uint16) error {
	endpoint, err := p.Open(context.Background(), protocol)
	if err != nil {
		return err
	}
	s, err := p.OpenSocket(reservation.IPv6, protocol)
	if err != nil {
		return err
	}
	if err := s.SetOptions(reservation.SocketOptions{DualMode: true}); err != nil {
		return err
	}
	_, err = reservation.BindSocket(context.Background(), endpoint, s, netip.AddrPortFrom(anyIPv6, port))
	return err
}

func (m *Machine) setOccupant(protocol Protocol, port uint16, p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := socketKey{protocol, port}
	m.occupants[key] = append(m.occupants[key], p)
}

// Vacate ends the programs that [Machine.Occupy] has put on a port, and those that [Machine.Steal] has
// or is about to. It returns ErrNotFound if there is none.
func (m *Machine) Vacate(protocol Protocol, port uint16) error {
	key := socketKey{protocol, port}
	m.mu.Lock()
	occupants := m.occupants[key]
	delete(m.occupants, key)
	m.mu.Unlock()
	if len(occupants) == 0 {
		return fmt.Errorf("vacate %s port %d: %w", protocol, port, reservation.ErrNotFound)
	}
	for _, p := range occupants {
		p.Exit()
	}
	return nil
}

// A theft is a port that somebody will bind before the given number of binds.
type theft struct {
	process *Process
	key     socketKey
	binds   int
}

// Steal plans that a port is bound, by another program on all addresses and for itself alone, right
// before the n-th bind of the protocol from now: after the engine has said yes and before the socket
// has the port. The thief is a part of the system that asks no engine, so that not even a reservation
// stops him; a socket that has the port by then does. It returns ErrInvalid for port 0 or n below 1.
//
// Not every part of Windows asks: sockets of WSL in mirrored mode have been seen on excluded ports.
func (m *Machine) Steal(protocol Protocol, port uint16, beforeBind int) error {
	if port == 0 || beforeBind < 1 || !protocol.IsValid() {
		return fmt.Errorf("steal %s port %d before bind %d: %w", protocol, port, beforeBind, reservation.ErrInvalid)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := socketKey{protocol, port}
	p := m.run(Program{Name: "thief.exe", User: otherUser}, true)
	m.occupants[key] = append(m.occupants[key], p)
	m.network.plan(&theft{process: p, key: key, binds: beforeBind})
	return nil
}

func (n *network) plan(t *theft) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.thefts = append(n.thefts, t)
}

// stealLocked carries out the thefts whose time has come with a bind of the protocol.
func (n *network) stealLocked(protocol Protocol) {
	planned := n.thefts[:0]
	for _, t := range n.thefts {
		if t.key.protocol == protocol {
			t.binds--
		}
		switch {
		case t.process.exited:
		case t.binds > 0:
			planned = append(planned, t)
		default:
			s := n.addLocked(t.process, reservation.IPv6, protocol)
			s.options = reservation.SocketOptions{Exclusive: true, DualMode: true}
			if s.bindLocked(netip.AddrPortFrom(anyIPv6, t.key.port)) != nil {
				s.closeLocked()
			}
		}
	}
	n.thefts = planned
}
