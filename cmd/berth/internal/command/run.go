// Package command is the berth command: its arguments, what it prints, and how it ends.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Run runs berth with args, without the program's name, and returns its exit code. Data goes to
// stdout, everything else to stderr. It returns early when ctx is cancelled, as Ctrl-C does.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	inv := newInvocation(stdin, stdout, stderr)
	root := newRoot(inv)
	root.SetArgs(args)
	return inv.finish(root.ExecuteContext(ctx))
}

func newInvocation(stdin io.Reader, stdout, stderr io.Writer) *invocation {
	return &invocation{
		stdin:  stdin,
		stdout: newScreen(stdout, os.Getenv),
		stderr: newScreen(stderr, os.Getenv),
	}
}

// finish says what err is about, if anything, and returns the exit code.
func (inv *invocation) finish(err error) int {
	if err == nil && inv.stdout.err != nil {
		err = fmt.Errorf("the command is done, but its output could not be written: %w", inv.stdout.err)
	}
	var status programStatus
	if err != nil && !errors.As(err, &status) {
		inv.printFailure(err)
	}
	return exitCode(err)
}

// An invocation is one run of the command: its global flags and its outputs.
type invocation struct {
	store string // --store; empty means the default
	boot  string // --boot; empty means the system's
	json  bool   // --json

	stdin  io.Reader
	stdout *screen
	stderr *screen
}

// say prints a line for people on stdout. Programs that read a pipe do not get it.
func (inv *invocation) say(format string, arguments ...any) {
	if inv.stdout.isTerminal && !inv.json {
		inv.stdout.printf(format+"\n", arguments...)
	}
}

// answer prints the data of a command: value as JSON if that is asked for, the sentence on a
// terminal, and otherwise data alone, on a line of its own, or nothing if there is none.
func (inv *invocation) answer(value any, data, sentence string) error {
	switch {
	case inv.json:
		return inv.stdout.printJSON(value)
	case inv.stdout.isTerminal:
		inv.stdout.printf("%s\n", sentence)
	case data != "":
		inv.stdout.printf("%s\n", data)
	}
	return nil
}

// errUsage is a command line that cannot be understood.
var errUsage = errors.New("usage")

// A failure is an error that knows what the user should do next.
type failure struct {
	err  error
	next string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// A usageError is a command line that cannot be understood. It wraps errUsage.
type usageError string

func (e usageError) Error() string { return string(e) }
func (e usageError) Unwrap() error { return errUsage }

// misused returns the error of a command line that cmd cannot understand.
func misused(cmd *cobra.Command, format string, arguments ...any) error {
	return &failure{
		err:  usageError(fmt.Sprintf(format, arguments...)),
		next: fmt.Sprintf("Usage: %s\nMore: %s --help", cmd.UseLine(), cmd.CommandPath()),
	}
}
