package reservation

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/berthkit/berth/pool"
)

// The conditions that calls end in. Doors map them to their codes, one table a door.
var (
	// Before anything is looked at.

	// ErrInvalid is a malformed or impossible argument. It wraps fs.ErrInvalid.
	ErrInvalid = pool.ErrInvalid
	// ErrClosed is a call on something closed. It wraps fs.ErrClosed.
	ErrClosed error = &condition{"already closed", fs.ErrClosed}
	// ErrState is a call that comes too late or twice: associate after bind, a second bind.
	ErrState = errors.New("out of order")
	// ErrUnsupported is a call that this system or implementation cannot do. It wraps errors.ErrUnsupported.
	ErrUnsupported error = &condition{"not supported on this system", errors.ErrUnsupported}

	// By the rules.

	// ErrDenied is a lack of privilege, or a port that is reserved for somebody else. It wraps fs.ErrPermission.
	ErrDenied error = &condition{"denied", fs.ErrPermission}
	// ErrInUse is a range that overlaps a block, or a port that a socket is bound to.
	ErrInUse = errors.New("in use")
	// ErrExhausted is a search that found no free port or block.
	ErrExhausted = errors.New("no free ports")
	// ErrLimit is a limit of the system that a call would exceed, such as that of open files. The text names it.
	ErrLimit = errors.New("a limit of the system")
	// ErrNotFound is a block or token that does not exist. It wraps fs.ErrNotExist.
	ErrNotFound error = &condition{"not found", fs.ErrNotExist}
	// ErrTokenStale is a token of an earlier boot: look the reservation up again. It wraps ErrNotFound.
	ErrTokenStale error = &condition{"the token is of an earlier boot", ErrNotFound}
)

// The conditions that a [Network] adds.
var (
	// ErrPortDenied is a port that another socket keeps for itself; the next port may do. It wraps ErrDenied.
	ErrPortDenied error = &condition{"denied", ErrDenied}
	// ErrAddress is a local address that the computer does not have.
	ErrAddress = errors.New("the computer has no such address")
	// ErrRefused is a connection to a port where nobody listens.
	ErrRefused = errors.New("connection refused")
	// ErrNotConnected is a transfer on a socket that has no peer.
	ErrNotConnected = errors.New("not connected")
	// ErrTooLong is a datagram longer than its buffer, or than a datagram can be.
	ErrTooLong = errors.New("the datagram is too long")
)

// A condition is a sentinel that is also a more general one, without repeating its text.
type condition struct {
	text    string
	general error
}

func (c *condition) Error() string { return c.text }
func (c *condition) Unwrap() error { return c.general }

// An Error tells which call failed on which ports, who stands in the way, and why. Err wraps one of
// the sentinels of this package, an error of the context, or one of the journal.
type Error struct {
	Op       string    // "create", "lookup", "delete", "exclude", "acquire", "release", "associate", "bind", "open", "list", "explain", "find"
	Protocol Protocol  // 0 if the call has none
	Range    Range     // the ports that were asked for; zero if the call has none
	Conflict *Conflict // who stands in the way; nil if nobody does
	Err      error
}

// A Conflict is who stands in the way of a call: a block or a socket.
type Conflict struct {
	Block   *Block  // the block, nil if it is a socket
	Socket  *Holder // the socket, nil if it is a block
	Others  int     // further blocks or sockets in the way beside this one
	Nearest Range   // the nearest free range of the size that was asked for; zero if none or not asked
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Protocol != 0 {
		b.WriteString(" " + e.Protocol.String())
	}
	if e.Range.IsValid() {
		b.WriteString(" " + e.Range.String())
	}
	b.WriteString(": " + e.Err.Error())
	if e.Conflict != nil {
		b.WriteString(": " + e.Conflict.String())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// String says in a phrase who stands in the way.
func (c *Conflict) String() string {
	var b strings.Builder
	switch {
	case c.Block != nil:
		b.WriteString(c.Block.String())
	case c.Socket != nil:
		b.WriteString(c.Socket.String())
	}
	if c.Others > 0 {
		fmt.Fprintf(&b, " and %d more", c.Others)
	}
	if c.Nearest.IsValid() {
		fmt.Fprintf(&b, "; nearest free: %s", c.Nearest)
	}
	return b.String()
}

// String describes the block in a phrase: range, kind, label, since when, by whom.
func (b Block) String() string {
	s := fmt.Sprintf("%s %s is held by a %s reservation", b.Protocol, b.Range, b.Kind)
	if b.Kind == Exclusion {
		s = fmt.Sprintf("%s %s is excluded (%s store)", b.Protocol, b.Range, b.Store)
	}
	if b.Label != "" {
		s += fmt.Sprintf(" %q", b.Label)
	}
	if !b.Created.IsZero() {
		s += " since " + b.Created.UTC().Format(time.RFC3339)
	}
	if b.PID != 0 {
		s += " of " + processName(b.PID, b.Program)
	}
	return s
}

// String describes the socket in a phrase: port and owner.
func (h Holder) String() string {
	s := fmt.Sprintf("port %d is bound by ", h.Port)
	if h.PID == 0 {
		return s + "a program that this user may not see"
	}
	return s + processName(h.PID, h.Program)
}

func processName(pid uint32, program string) string {
	if program == "" {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", program, pid)
}
