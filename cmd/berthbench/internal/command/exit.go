package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// The exit codes of berthbench. Its help lists them; they do not change.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitFault       = 3
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 a core answered wrongly (all
others were measured), 130 interrupted.`

var (
	// errUsage is a command line that cannot be understood.
	errUsage = errors.New("usage")

	// errFault says that a core answered wrongly.
	errFault = errors.New("a core answered wrongly")
)

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errFault):
		return exitFault
	}
	return exitFailure
}

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

// exactly returns a check for n arguments; names tells what they are.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return misused(cmd, "%s takes %s, and was given %d", cmd.Name(), names, len(args))
		}
		return nil
	}
}
