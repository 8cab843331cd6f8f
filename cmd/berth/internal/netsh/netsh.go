// Package netsh is the part of Windows' netsh that deals with reserved ports: the commands
// excludedportrange and dynamicport of "netsh interface ipv4" and "netsh interface ipv6", as they are
// typed, printed and ended on Windows, on any computer that Berth's engine looks after.
//
// A [Shell] runs command lines on a [Computer]: a process of this computer's engine, or one of the
// simulated computer of package reservation/machine. docs/netsh.md is for whoever types them, and
// docs/deviations.md tells where netsh itself differs or is not known.
package netsh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// A Computer is what netsh asks of a computer, on behalf of one process. [reservation.Process] is
// one, and so is a process of the simulated computer.
type Computer interface {
	AddExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error
	DeleteExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error
	List(ctx context.Context, protocol reservation.Protocol) ([]reservation.Block, error)
	Dynamic(ctx context.Context, protocol reservation.Protocol) (reservation.Range, error)
	SetDynamic(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error
}

// An Access is what a command wants of the computer.
type Access uint8

const (
	// Look is the access of show.
	Look Access = iota
	// Make is the access of add and set.
	Make
	// End is the access of delete, which changes nothing where there is nothing.
	End
)

// Lend calls use with the computer, once, and returns its error or why it cannot. A command line that
// makes no sense, or asks for help, asks for no computer.
type Lend func(ctx context.Context, access Access, use func(Computer) error) error

// On lends a computer that is there anyway.
func On(computer Computer) Lend {
	return func(_ context.Context, _ Access, use func(Computer) error) error { return use(computer) }
}

// ErrUntilRestart is a dynamic range that is to be set in the active store: the engine keeps the one
// that is set. It wraps [reservation.ErrUnsupported].
var ErrUntilRestart = fmt.Errorf("%w: a dynamic range until the next restart", reservation.ErrUnsupported)

// Policy is the open questions about netsh. The zero Policy has our answers; docs/deviations.md
// tells what they rest on.
type Policy struct {
	// HidePersistent (A15 of docs/semantics.md): persistent reservations are not shown; the zero
	// value shows them, without an asterisk.
	HidePersistent bool
	// DeleteMissing is the code whose text delete prints if there is no such exclusion; 0 means
	// ERROR_FILE_NOT_FOUND.
	DeleteMissing win32.Errno
	// DeleteHeld is the code whose text delete prints for a row that show lists without an asterisk;
	// 0 means ERROR_ACCESS_DENIED.
	DeleteHeld win32.Errno
}

// A Shell is netsh before one computer. It is safe for concurrent use if Lend and Output are.
type Shell struct {
	Lend   Lend      // required
	Output io.Writer // gets what netsh prints, errors included, with CR LF line ends; required
	Policy Policy
}

// Run runs one command line, without the program's name, and prints what netsh prints. It returns
// nil where netsh exits with 0 and an error where it exits with 1; Output has then been told in
// netsh's words what the error says in ours. The error is a [*SyntaxError], one of package
// reservation, what Lend returned, or what writing to Output returned.
func (s *Shell) Run(ctx context.Context, args []string) error {
	text, err := s.answer(ctx, args)
	_, lost := io.WriteString(s.Output, strings.ReplaceAll(text, "\n", "\r\n"))
	if lost != nil {
		lost = fmt.Errorf("netsh's answer could not be written: %w", lost)
	}
	return errors.Join(err, lost)
}

// ExitCode returns the exit code of netsh for what Run has returned.
func ExitCode(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// answer returns what netsh prints, whether or not it succeeds.
func (s *Shell) answer(ctx context.Context, args []string) (string, error) {
	c, err := parse(args)
	if err != nil {
		return err.said, err
	}
	if c.help != "" {
		return c.help, nil
	}
	text, failure := s.execute(ctx, c)
	if failure != nil {
		return s.Policy.refusal(c, failure) + "\n\n", failure
	}
	return text, nil
}

// A SyntaxError is a command line that netsh does not understand. Its text says why.
type SyntaxError struct {
	said   string // what netsh prints
	reason string
}

func (e *SyntaxError) Error() string { return e.reason }

// Unwrap returns [reservation.ErrInvalid].
func (e *SyntaxError) Unwrap() error { return reservation.ErrInvalid }
