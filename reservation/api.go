package reservation

import (
	"context"
	"fmt"
	"iter"
	"syscall"

	"github.com/berthkit/berth/pool"
)

// API is what one process may ask of its computer's engine. [*Process] implements it on the engine;
// package system implements it on the real Windows functions.
//
// Every call first looks at its context and returns ctx.Err(), wrapped, when that is done; nothing
// has happened then. Errors are [*Error] values that wrap one of this package's sentinels. All
// implementations are safe for concurrent use.
type API interface {
	// CreatePersistent reserves r until it is deleted, across restarts, and returns its token for
	// this boot. The label, up to 255 bytes of UTF-8 without control characters, is shown by list
	// and in others' errors. It returns ErrInvalid for a bad argument, ErrDenied if the caller is
	// not elevated, ErrInUse if r overlaps any block or a port of it is bound. Creating the same
	// block twice is ErrInUse, not success. When it returns nil the reservation is durable.
	CreatePersistent(ctx context.Context, protocol Protocol, r Range, label string) (Token, error)

	// LookupPersistent returns this boot's token of the persistent reservation of exactly r. Anyone
	// may look up. It returns ErrNotFound if there is none; a part of a block is not that block.
	LookupPersistent(ctx context.Context, protocol Protocol, r Range) (Token, error)

	// DeletePersistent ends the persistent reservation of exactly r. Sockets bound from it keep
	// their ports. It returns ErrDenied if the caller is not elevated, ErrNotFound if there is none.
	DeletePersistent(ctx context.Context, protocol Protocol, r Range) error

	// AddExclusion keeps the ports of r out of automatic assignment and out of other blocks.
	// Conditions as for CreatePersistent.
	AddExclusion(ctx context.Context, protocol Protocol, r Range, store ExclusionStore) error

	// DeleteExclusion ends the exclusion of exactly r in exactly that store. It returns ErrDenied
	// if the caller is not elevated, ErrNotFound if there is none.
	DeleteExclusion(ctx context.Context, protocol Protocol, r Range, store ExclusionStore) error

	// Open returns a new endpoint: the engine's half of a socket that is not bound yet.
	Open(ctx context.Context, protocol Protocol) (Endpoint, error)

	// Close ends the process: its endpoints are closed and its runtime reservations end. Later
	// calls return ErrClosed, except Close, which returns nil again.
	Close() error
}

// An Endpoint is the engine's half of one socket. It is safe for concurrent use.
type Endpoint interface {
	// Acquire makes a runtime reservation that lasts until it is released or the endpoint is
	// closed. It does not associate the endpoint. An endpoint may hold any number of them. It
	// returns ErrInvalid for a bad request, ErrInUse if a specific block overlaps another or a port
	// of it is bound, ErrExhausted if no block of that size is free. Both say who is in the way. Where
	// a [Keeper] takes the ports it returns ErrLimit if the system lacks what that needs, and ErrDenied
	// for ports that the system keeps from this user.
	Acquire(ctx context.Context, request Request) (Reservation, error)

	// Release ends a runtime reservation that this process acquired, through whichever of its
	// endpoints of the protocol. Sockets bound from it keep their ports. It returns ErrNotFound,
	// ErrTokenStale, ErrDenied (of another process) or ErrInvalid (persistent, other protocol).
	Release(ctx context.Context, token Token) error

	// Associate makes later binds of this endpoint draw from the block that token names. It must
	// come before Bind, else ErrState. It returns ErrNotFound for an unknown token, ErrTokenStale
	// for one of an earlier boot, ErrInvalid for one of the other protocol, ErrDenied for a
	// persistent token if the caller is not elevated and for another process's runtime token.
	Associate(ctx context.Context, token Token) error

	// Bind claims a port and calls try, without holding any lock, to bind the real socket to it. If
	// try succeeds the endpoint keeps the port until Close; if try fails with ErrInUse and the
	// port was ours to choose, the next one is tried; otherwise try's error is returned and the
	// claim is undone. A nil try always succeeds.
	//
	// On an associated endpoint port 0 chooses a free port of the block (ErrExhausted if none), a
	// port of the block is bound exactly, another one is refused. On one that is not associated,
	// port 0 chooses from the dynamic range, never from a block, and a port inside a persistent or
	// runtime reservation is ErrDenied. A second Bind is ErrState. Several endpoints may bind one
	// port: whether the sockets may is for try, that is for the system, to say.
	Bind(ctx context.Context, port uint16, try TryBind) (uint16, error)

	// Close gives the port back and ends the endpoint's runtime reservations. Later calls return
	// ErrClosed, except Close, which returns nil again.
	Close() error
}

// TryBind binds a real socket to port and returns the port that it got. It returns an error that
// wraps [ErrInUse] if somebody else has the port, any other error if another port would not help
// either. The engine passes 0 ("let the system choose") only where the system itself is the engine.
type TryBind func(port uint16) (uint16, error)

// A Request asks for a runtime reservation.
type Request struct {
	First  uint16 // first port; 0 lets the engine choose a free block
	Count  int    // number of ports, 1 to 65,535
	Align  int    // with First 0: the first port must be a multiple of it; 0 and 1 mean any (2: even first, as RTP wants)
	Within Range  // with First 0: where to look; the zero Range means the dynamic range
	Label  string // as for CreatePersistent
}

// A Reservation is a runtime reservation as its acquirer gets it.
type Reservation struct {
	Range Range
	Token Token
}

// A SocketTagger is an [Endpoint] whose system must see the real socket before it is bound. Whoever
// binds a real socket for an endpoint calls TagSocket, where the endpoint has it, between creating
// and binding the socket. The engine's own endpoints do without; those on the real Windows use it
// to put the token on the socket.
type SocketTagger interface {
	TagSocket(socket syscall.RawConn) error
}

// Inspector is what only looks, and what Windows does not have. Everybody may look. All
// implementations are safe for concurrent use.
type Inspector interface {
	// List returns the blocks of one protocol, or of both for protocol 0, by protocol and first port.
	List(ctx context.Context, protocol Protocol) ([]Block, error)

	// Explain tells who and what holds the ports of r, and where the nearest free block of the same
	// size is.
	Explain(ctx context.Context, protocol Protocol, r Range) (*Explanation, error)

	// Free returns the first run of count ports that search allows and that no block and no
	// bound socket touches. It reserves nothing. It returns ErrExhausted if there is none.
	Free(ctx context.Context, protocol Protocol, count int, search pool.Search) (Range, error)
}

// A Watcher tells what anybody changes. All implementations are safe for concurrent use.
type Watcher interface {
	// Watch yields a BlockPresent change for each block that is there when the loop begins, and from
	// then on what changes, whoever changes it: any host that shares the journal, and for runtime
	// reservations this one. Nothing that happens behind that beginning is missed, but what comes and
	// goes between two looks is not told, and several changes of one thing are told as one. A loop
	// body may take its time and may call anything: changes wait for it, and no lock is held.
	//
	// The loop ends when ctx is done, when its body leaves it, and with ErrClosed when the process
	// or its host is closed. Any other error is one of the journal: who stays in the loop is told
	// what has changed as soon as the journal answers again.
	Watch(ctx context.Context) iter.Seq2[Change, error]
}

// A Change is one thing that a [Watcher] tells.
type Change struct {
	Kind     ChangeKind
	Protocol Protocol // of BlockPresent, BlockAdded, BlockRemoved and DynamicSet
	Range    Range    // of the same: the block's ports, the new dynamic range
	Block    Block    // of BlockPresent, BlockAdded and BlockRemoved; its Bound is that of the moment
	BootID   string   // of BootBegun
}

// A ChangeKind says what a [Change] is about.
type ChangeKind uint8

const (
	// BlockPresent is a block that was there when the watch began.
	BlockPresent ChangeKind = iota + 1
	// BlockAdded is a reservation or an exclusion that has been made.
	BlockAdded
	// BlockRemoved is a reservation or an exclusion that has ended.
	BlockRemoved
	// BootBegun is the beginning of another boot: all tokens of persistent reservations have changed.
	BootBegun
	// DynamicSet is another dynamic range. Who needs the present one asks for it in the loop.
	DynamicSet
)

// String returns "block present", "block added", "block removed", "boot begun", "dynamic range set"
// or "change(N)".
func (k ChangeKind) String() string {
	switch k {
	case BlockPresent:
		return "block present"
	case BlockAdded:
		return "block added"
	case BlockRemoved:
		return "block removed"
	case BootBegun:
		return "boot begun"
	case DynamicSet:
		return "dynamic range set"
	}
	return fmt.Sprintf("change(%d)", uint8(k))
}

// An Explanation tells what stands on the ports of a range.
type Explanation struct {
	Protocol Protocol
	Range    Range
	Blocks   []Block  // the blocks that overlap the range, in order
	InUse    []Holder // the sockets bound to ports of the range, by port; owners where the system tells them
	Nearest  Range    // the nearest free block of the same size, below or above; zero if there is none
}

// IsFree reports whether nothing stands on the range.
func (e *Explanation) IsFree() bool { return len(e.Blocks) == 0 && len(e.InUse) == 0 }
