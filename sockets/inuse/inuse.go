// Package inuse tells which ports the sockets of this computer are bound to, and whose they are. Its
// [Table] is the [reservation.PortTable] of a real computer.
//
// Where the answer comes from:
//
//   - Linux: the kernel's socket diagnosis (sock_diag(7)), filtered by the kernel to the range.
//   - macOS: the sysctls net.inet.udp.pcblist_n and net.inet.tcp.pcblist_n.
//   - Windows: GetExtendedUdpTable and GetExtendedTcpTable.
//   - Elsewhere, and wherever the above is refused: a bind probe, port by port.
//
// "This computer" is the network namespace of the calling process: sockets of other namespaces
// cannot collide with ours and do not show.
//
// # What counts as bound
//
// Every socket that has a local port: bound or connected, listening or not, of any user, on any
// address, IPv4 or IPv6. TCP connections in TIME_WAIT count too, although a listener could bind
// their port again with SO_REUSEADDR: the system still knows the port as taken.
//
// # Caveats
//
// A TCP socket that is bound but neither listens nor connects is listed by Linux since 6.8 only; on
// older kernels, and on Windows, the table does not show it, and a bind to its port fails.
//
// The bind probe of a plain user cannot look at privileged ports: it takes them for free. While it
// holds a port, for some microseconds, another program's bind to that port fails.
package inuse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthkit/berth/reservation"
)

// A Table is the table of bound ports of this computer. It keeps nothing between calls: each looks
// afresh. It is safe for concurrent use. Make one with [New].
type Table struct {
	read reader
}

var _ reservation.PortTable = (*Table)(nil)

// A reader calls visit for each socket that is bound to a port of within, in any order, possibly
// several times for one port. It has no say in what visit makes of it. An error means that sockets
// may be missing.
type reader func(ctx context.Context, protocol reservation.Protocol, within reservation.Range, visit visitor) error

// A visitor gets the local port of a socket and what the system's table names its owner by: the
// inode of the socket on Linux, the process number elsewhere, 0 if unknown.
type visitor func(port uint16, owner uint32)

// A process is an owner of sockets as messages name it.
type process struct {
	pid  uint32
	name string
}

// ownerSearchTime bounds the search for the programs behind sockets: on Linux it walks the
// descriptors of every process, and a message is not worth more.
const ownerSearchTime = time.Second

// errNoTable is what a reader returns on a system whose table it cannot read.
var errNoTable = fmt.Errorf("no table of sockets on this system: %w", reservation.ErrUnsupported)

// New returns the table of this computer.
func New() *Table { return &Table{read: readTable} }

// InUse returns the ports of within that any socket of the protocol is bound to: ascending, each
// once. See the package comment for what counts. It returns an error that wraps
// [reservation.ErrInvalid] for an invalid protocol or range, the context's error if that is done,
// and the system's errors if neither its table nor a bind probe gives an answer.
func (t *Table) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	var bound portMarks
	restart := func() { bound = portMarks{} }
	err := t.visit(ctx, protocol, within, restart, func(port uint16, _ uint32) { bound.add(port) })
	if err != nil {
		return nil, err
	}
	return bound.ports(), nil
}

// Holders returns the same ports with their owners, by port: one Holder for each program on a port.
// The owner stays unknown where the system does not tell it to this user, and for sockets that no
// process has any more (TIME_WAIT). It never fails for an unknown owner; its errors are those of
// InUse. It may take a second on a computer with very many open files.
//
// Ours is never set: only the engine knows which sockets are its own.
func (t *Table) Holders(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]reservation.Holder, error) {
	var sockets []boundSocket
	restart := func() { sockets = nil }
	err := t.visit(ctx, protocol, within, restart, func(port uint16, owner uint32) {
		sockets = append(sockets, boundSocket{port, owner})
	})
	if err != nil {
		return nil, err
	}
	sockets = sortSockets(sockets)
	searchCtx, cancel := context.WithTimeout(ctx, ownerSearchTime)
	defer cancel()
	return nameHolders(sockets, findOwners(searchCtx, owners(sockets))), nil
}

// visit reads the system's table or, where that fails, probes the ports. Before it starts a second
// time it calls restart, so that what the failed attempt found is forgotten.
func (t *Table) visit(ctx context.Context, protocol reservation.Protocol, within reservation.Range, restart func(), visit visitor) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ports in use: %w", ctx.Err())
	case !protocol.IsValid():
		return fmt.Errorf("ports in use: %w: %v has no ports", reservation.ErrInvalid, protocol)
	case !within.IsValid():
		return fmt.Errorf("ports in use: %w: the range holds no port", reservation.ErrInvalid)
	}
	tableErr := t.read(ctx, protocol, within, visit)
	if tableErr == nil {
		return nil
	}
	restart()
	probeErr := probe(ctx, protocol, within, visit)
	switch {
	case probeErr == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ports in use: %w", ctx.Err())
	}
	return fmt.Errorf("ports in use: %w", errors.Join(tableErr, probeErr))
}
