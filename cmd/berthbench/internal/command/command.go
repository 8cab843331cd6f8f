// Package command is the berthbench command: its arguments, what it prints, and how it ends.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
)

// A Program is a build of berthbench: what it measures. Builds with more peers have more of these.
type Program struct {
	Cores []cores.Entry
	Peers []jobs.Peer // further ways to get a free UDP port
}

// Run runs berthbench with args, without the program's name, and returns its exit code. Data goes to
// stdout, everything else to stderr. When ctx is cancelled, as Ctrl-C does, a run keeps what is
// complete and ends.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	inv := &invocation{
		program: p,
		stdin:   stdin,
		stdout:  newScreen(stdout, os.Getenv),
		stderr:  newScreen(stderr, os.Getenv),
	}
	root := newRoot(inv)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil && inv.stdout.err != nil {
		err = fmt.Errorf("the command is done, but its output could not be written: %w", inv.stdout.err)
	}
	if err != nil {
		inv.printFailure(err)
	}
	return exitCode(err)
}

// An invocation is one run of the command.
type invocation struct {
	program Program
	stdin   io.Reader
	stdout  *screen
	stderr  *screen
}

// printFailure prints what happened, then, on lines of their own, what to do next.
func (inv *invocation) printFailure(err error) {
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	inv.stderr.printf("%s %s\n", inv.stderr.paint(red, "berthbench:"), text)
	var f *failure
	if errors.As(err, &f) && f.next != "" {
		inv.stderr.printf("%s\n", f.next)
	}
}
