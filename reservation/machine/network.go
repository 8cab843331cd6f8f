package machine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A network is the sockets of one boot of a machine. It decides about addresses and conflicts; it
// knows nothing of reservations.
type network struct {
	addresses []netip.Addr
	timeWait  time.Duration
	now       func() time.Time

	mu      sync.Mutex // guards what follows, and the changing fields of the sockets
	closed  bool
	sockets map[*socket]struct{}
	opened  uint64 // sockets so far
	spaces  map[Protocol]*socketSpace
	thefts  []*theft
}

// A socketSpace is the bound sockets of one protocol. The network's mu guards it.
type socketSpace struct {
	inUse   *pool.Pool[struct{}] // has no blocks, only marks
	at      map[uint16][]*socket // in the order of their binds
	waiting map[uint16]time.Time // ports of closed connections, and when they are free again
}

// A socketKey names a port of one protocol.
type socketKey struct {
	protocol Protocol
	port     uint16
}

func newNetwork(addresses []netip.Addr, timeWait time.Duration, now func() time.Time) *network {
	n := &network{
		addresses: addresses,
		timeWait:  timeWait,
		now:       now,
		sockets:   make(map[*socket]struct{}),
		spaces:    make(map[Protocol]*socketSpace),
	}
	for _, protocol := range pool.Protocols() {
		n.spaces[protocol] = &socketSpace{
			inUse:   pool.New[struct{}](),
			at:      make(map[uint16][]*socket),
			waiting: make(map[uint16]time.Time),
		}
	}
	return n
}

// open returns a new socket of a process.
func (n *network) open(p *Process, family reservation.Family, protocol Protocol) (*socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed || p.exited:
		return nil, reservation.ErrClosed
	case family != reservation.IPv4 && family != reservation.IPv6:
		return nil, fmt.Errorf("%w: family %d, want 4 or 6", reservation.ErrInvalid, family)
	case !protocol.IsValid():
		return nil, fmt.Errorf("%w: %s, want udp or tcp", reservation.ErrInvalid, protocol)
	}
	return n.addLocked(p, family, protocol), nil
}

func (n *network) addLocked(p *Process, family reservation.Family, protocol Protocol) *socket {
	n.opened++
	s := &socket{network: n, process: p, number: n.opened, family: family, protocol: protocol}
	n.sockets[s] = struct{}{}
	return s
}

// exit closes the sockets of a process.
func (n *network) exit(p *Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.exited = true
	for _, s := range n.openLocked(func(s *socket) bool { return s.process == p }) {
		s.closeLocked()
	}
}

// close closes all sockets, for good.
func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, s := range n.openLocked(func(*socket) bool { return true }) {
		s.closeLocked()
	}
}

// openLocked returns the open sockets that are wanted, in the order in which they were opened: who
// closes first makes a difference.
func (n *network) openLocked(wanted func(*socket) bool) []*socket {
	var open []*socket
	for s := range n.sockets {
		if wanted(s) {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b *socket) int { return cmp.Compare(a.number, b.number) })
	return open
}

// enterLocked gives s its local address.
func (n *network) enterLocked(s *socket, local netip.AddrPort, addresses []netip.Addr) {
	s.bound, s.local, s.addresses = local, local, addresses
	space := n.spaces[s.protocol]
	space.at[local.Port()] = append(space.at[local.Port()], s)
	space.inUse.MarkInUse(pool.RangeOf(local.Port()))
}

// leaveLocked takes its local address from s. With wait the port stays in use for a while.
func (n *network) leaveLocked(s *socket, wait bool) {
	space, port := n.spaces[s.protocol], s.bound.Port()
	space.at[port] = slices.DeleteFunc(space.at[port], func(other *socket) bool { return other == s })
	if wait && n.timeWait > 0 {
		space.waiting[port] = n.now().Add(n.timeWait)
	}
	if len(space.at[port]) == 0 {
		delete(space.at, port)
		if _, waits := space.waiting[port]; !waits {
			space.inUse.ClearInUse(pool.RangeOf(port))
		}
	}
}

// expireLocked ends the waits that are over.
func (n *network) expireLocked(space *socketSpace) {
	if len(space.waiting) == 0 {
		return
	}
	now := n.now()
	for port, end := range space.waiting {
		if now.Before(end) {
			continue
		}
		delete(space.waiting, port)
		if len(space.at[port]) == 0 {
			space.inUse.ClearInUse(pool.RangeOf(port))
		}
	}
}

func (space *socketSpace) socketsAt(port uint16) []*socket { return space.at[port] }

// A portTable is the machine's sockets as the engine sees them.
type portTable struct{ network *network }

var _ reservation.PortTable = portTable{}

// InUse implements [reservation.PortTable].
func (t portTable) InUse(ctx context.Context, protocol Protocol, within Range) ([]uint16, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.network.mu.Lock()
	defer t.network.mu.Unlock()
	return t.network.inUseLocked(protocol, within), nil
}

func (n *network) inUseLocked(protocol Protocol, within Range) []uint16 {
	space := n.spaces[protocol]
	if space == nil {
		return nil
	}
	n.expireLocked(space)
	var ports []uint16
	for run := range space.inUse.RangesInUse(within) {
		ports = slices.AppendSeq(ports, run.Ports())
	}
	return ports
}

// Holders implements [reservation.PortTable]. The port of a connection that is closed and still waits
// is the system's.
func (t portTable) Holders(ctx context.Context, protocol Protocol, within Range) ([]reservation.Holder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := t.network
	n.mu.Lock()
	defer n.mu.Unlock()
	var holders []reservation.Holder
	for _, port := range n.inUseLocked(protocol, within) {
		sockets := n.spaces[protocol].at[port]
		if len(sockets) == 0 {
			holders = append(holders, reservation.Holder{Port: port, PID: systemPID, Program: "a closed connection in TIME_WAIT"})
		}
		for i, s := range sockets {
			same := func(earlier *socket) bool { return earlier.process == s.process }
			if !slices.ContainsFunc(sockets[:i], same) {
				holders = append(holders, reservation.Holder{Port: port, PID: s.process.pid, Program: s.process.program.Name})
			}
		}
	}
	return holders, nil
}
