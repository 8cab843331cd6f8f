package machine

import (
	"fmt"
	"net/netip"

	"github.com/berthkit/berth/reservation"
)

// A claim is how a socket wants a port, or has it: a row or a column of the tables below.
type claim uint8

const (
	defaultWildcard   claim = iota // no option, on the wildcard address of its family
	defaultSpecific                // no option, on one address
	reuseWildcard                  // SO_REUSEADDR
	reuseSpecific                  //
	exclusiveWildcard              // SO_EXCLUSIVEADDRUSE
	exclusiveSpecific              //
	claims                         // how many there are
)

// A verdict is what a bind meets.
type verdict uint8

const (
	fine   verdict = iota
	used           // ErrInUse: somebody has it
	denied         // ErrPortDenied: somebody has it, and keeps it from those who would share or take it
)

// A conflictTable says what happens to the second of two binds to one port: its row is the first
// bind, its column the second. Specific means the same specific address; two different ones never
// meet, nor do IPv4 and IPv6.
//
// Source: https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse,
// the tables for Windows Server 2003 and later.
type conflictTable [claims][claims]verdict

// conflictsOfOneUser is for two sockets of the same user.
var conflictsOfOneUser = conflictTable{
	//                  default           reuse             exclusive
	//                  wild    specific  wild    specific  wild    specific
	defaultWildcard:   {used, fine, denied, fine, used, fine},
	defaultSpecific:   {fine, used, fine, denied, used, used},
	reuseWildcard:     {used, fine, fine, fine, used, fine},
	reuseSpecific:     {fine, used, fine, fine, used, used},
	exclusiveWildcard: {used, denied, denied, denied, used, denied},
	exclusiveSpecific: {fine, used, fine, denied, used, used},
}

// conflictsOfTwoUsers is for sockets of two users: what a wildcard socket left to others of its user
// it keeps from those of somebody else.
var conflictsOfTwoUsers = conflictTable{
	defaultWildcard:   {used, denied, denied, denied, used, denied},
	defaultSpecific:   {fine, used, fine, denied, used, used},
	reuseWildcard:     {used, denied, fine, fine, used, denied},
	reuseSpecific:     {fine, used, fine, fine, used, used},
	exclusiveWildcard: {used, denied, denied, denied, used, denied},
	exclusiveSpecific: {fine, used, fine, denied, used, used},
}

// claimOf returns how a socket with these options has, or wants, an address.
func claimOf(options reservation.SocketOptions, address netip.Addr) claim {
	c := defaultWildcard
	switch {
	case options.ReuseAddress:
		c = reuseWildcard
	case options.Exclusive:
		c = exclusiveWildcard
	}
	if !address.IsUnspecified() {
		c++ // each specific claim follows its wildcard one
	}
	return c
}

// admitLocked decides whether s may bind a port on each of the addresses: a dual mode socket has to
// pass on both families. Of several sockets in the way the one that came first decides.
func (n *network) admitLocked(s *socket, port uint16, addresses []netip.Addr) error {
	for _, other := range n.spaces[s.protocol].socketsAt(port) {
		for _, theirs := range other.addresses {
			for _, wanted := range addresses {
				switch meet(other, theirs, s, wanted) {
				case used:
					return fmt.Errorf("%w: a socket is bound to %s", reservation.ErrInUse, other.bound)
				case denied:
					return fmt.Errorf("%w: the socket on %s of %s does not share its port",
						reservation.ErrPortDenied, other.bound, other.process.program.Name)
				}
			}
		}
	}
	return nil
}

// meet looks up what the second of two sockets meets that wants an address, where the first has one.
func meet(first *socket, theirs netip.Addr, second *socket, wanted netip.Addr) verdict {
	switch {
	case theirs.Is4() != wanted.Is4():
		return fine
	case first.accepted && first.options.Exclusive:
		return used // "all bind attempts to that port will fail" while such a connection lives
	case first.accepted:
		return fine
	case !theirs.IsUnspecified() && !wanted.IsUnspecified() && theirs != wanted:
		return fine
	}
	table := &conflictsOfOneUser
	if first.process.program.User != second.process.program.User {
		table = &conflictsOfTwoUsers
	}
	return table[claimOf(first.options, theirs)][claimOf(second.options, wanted)]
}
