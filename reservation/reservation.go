// Package reservation is a port reservation engine: what Windows has in its kernel since Vista, for
// every system. A program reserves a block of consecutive UDP or TCP ports, gets an opaque token,
// and later binds sockets from that block by associating the token with an endpoint before it binds.
//
// The nouns, each in one place:
//
//   - A [Host] is one computer's engine. It keeps three kinds of block per protocol (see [Kind]).
//   - A [Process] is one caller on that computer; its privileges are those of its [Caller]. It
//     implements [API], the calls that change something, and [Inspector], those that only look.
//   - An [Endpoint] is the engine's half of one socket: it acquires, associates, binds, closes.
//   - A [Journal] is what the engine needs of a store, a [PortTable] and a [Keeper] what it needs of a
//     computer.
//
// The rules are those of Windows; docs/semantics.md lists each with its source and its test. Where
// Microsoft's documents leave something open, [Policy] names the question and our answer.
//
// # Caveats
//
// The engine decides about those who ask it. It cannot stop a stranger's socket from binding a port
// of a reserved block: only the operating system can. For runtime reservations a Keeper has it do so.
// Strangers' sockets on persistent ones the engine notices through the PortTable, and says whose they
// are.
package reservation

import (
	"fmt"
	"time"

	"github.com/berthkit/berth/pool"
)

// Protocol and Range are the values of package pool that this package's calls are made of.
type (
	Protocol = pool.Protocol
	Range    = pool.Range
)

// The protocols that have ports.
const (
	TCP = pool.TCP
	UDP = pool.UDP
)

// A Token names a reservation for the duration of one boot. It is opaque; 0 names nothing. The token
// of a persistent reservation changes at every boot, so it must be looked up again, never kept.
//
// Source: the Windows page of CreatePersistentUdpPortReservation ("the token for a given persistent
// port reservation may change each time the system is restarted") and mstcpip.h, which defines
// INVALID_PORT_RESERVATION_TOKEN as 0.
type Token uint64

// String returns the token as 0x and 16 hexadecimal digits.
func (t Token) String() string { return fmt.Sprintf("%#016x", uint64(t)) }

// A Kind is one of the three kinds of block.
type Kind uint8

const (
	// Persistent is a reservation that survives restarts. Nobody owns it; any elevated process may
	// bind from it by its token. Other binds to its ports are denied.
	Persistent Kind = iota + 1
	// Runtime is a reservation that lives as long as the endpoint that acquired it and belongs to
	// its process. Other binds to its ports are denied.
	Runtime
	// Exclusion is administered: it keeps ports out of automatic assignment and out of other
	// blocks. An explicit bind to one of its ports still succeeds. It has no token.
	Exclusion
)

// String returns "persistent", "runtime", "exclusion" or "kind(N)".
func (k Kind) String() string {
	switch k {
	case Persistent:
		return "persistent"
	case Runtime:
		return "runtime"
	case Exclusion:
		return "exclusion"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText returns what String returns.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// An ExclusionStore says how long an exclusion lasts, in netsh's words.
type ExclusionStore uint8

const (
	// PersistentStore keeps an exclusion until it is deleted; it is netsh's default.
	PersistentStore ExclusionStore = iota
	// ActiveStore keeps an exclusion until the next boot.
	ActiveStore
)

// String returns "persistent", "active" or "store(N)".
func (s ExclusionStore) String() string {
	switch s {
	case PersistentStore:
		return "persistent"
	case ActiveStore:
		return "active"
	}
	return fmt.Sprintf("store(%d)", uint8(s))
}

// A Caller is who stands behind a [Process]. The zero Caller is a plain user without privileges.
type Caller struct {
	PID      uint32 // operating system's process number, used in messages; 0 means unknown
	Program  string // name of the program, used in messages; empty means unknown
	UID      uint32 // operating system's user number, kept for later use by doors; 0 says nothing about privilege
	Elevated bool   // an administrator, elevated: may create, delete and use persistent reservations and exclusions
}

// A Block is a range of ports that somebody holds, as [Inspector.List] and [Inspector.Explain] show it.
type Block struct {
	Protocol Protocol
	Range    Range
	Kind     Kind
	Store    ExclusionStore // of an exclusion; PersistentStore otherwise
	Label    string         // what its creator called it; may be empty
	Created  time.Time      // when it was created or acquired, UTC
	PID      uint32         // of a runtime reservation: the process that acquired it; 0 if unknown
	Program  string         // of a runtime reservation: its program's name, if known
	Bound    int            // ports of the block that endpoints of this host have bound now
}

// MaxLabel is the longest label, in bytes.
const MaxLabel = 255
