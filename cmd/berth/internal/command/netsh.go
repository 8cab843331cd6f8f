package command

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berth/internal/netsh"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/store"
)

// IsNetsh reports whether a program that is called by this path is to be netsh: berth is, under that
// name, with or without .exe, so that scripts written for Windows find it in the PATH.
func IsNetsh(program string) bool {
	name := strings.ToLower(filepath.Base(program))
	return strings.TrimSuffix(name, ".exe") == "netsh"
}

// RunNetsh runs netsh with args, without the program's name, and returns its exit code, 0 or 1. What
// netsh prints goes to stdout, and why something failed, in berth's words, to stderr.
func RunNetsh(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	inv := newInvocation(stdin, stdout, stderr)
	return inv.finish(inv.netsh(ctx, args))
}

func newNetsh(inv *invocation) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "netsh interface ipv4|ipv6 COMMAND",
		Short: "Exclude ports in the words of Windows' netsh",
		Long: `Netsh takes and prints what "netsh interface ipv4 … excludedportrange" and "… dynamicport" take
and print on Windows, and exits with 0 or 1 as they do. Berth does the same when it is called
under the name netsh, so that scripts written for Windows run as they are.`,
		Example: `  berth netsh interface ipv4 show excludedportrange protocol=tcp
  berth netsh interface ipv4 add excludedportrange protocol=udp startport=50000 numberofports=60
  berth netsh interface ipv4 show dynamicport tcp
  ln -s "$(command -v berth)" ~/bin/netsh`,
		GroupID: groupReserve,
		RunE: func(cmd *cobra.Command, args []string) error {
			if inv.json {
				return misused(cmd, "netsh prints no JSON; berth list --json does")
			}
			return inv.netsh(cmd.Context(), args)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the first word is netsh's
	return cmd
}

// netsh runs one command line of netsh on this computer's store.
func (inv *invocation) netsh(ctx context.Context, args []string) error {
	shell := &netsh.Shell{Lend: inv.lend, Output: inv.stdout}
	err := shell.Run(ctx, args)
	var mistake *netsh.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mistake):
		err = &failure{err: err, next: "See what there is: berth netsh ?"}
	case errors.Is(err, netsh.ErrUntilRestart):
		err = &failure{err: err, next: "Leave out the store: the range is then kept until another is set."}
	}
	return &netshFailure{err}
}

// lend implements [netsh.Lend] with this computer's engine.
func (inv *invocation) lend(ctx context.Context, access netsh.Access, use func(netsh.Computer) error) error {
	do := func(computer *system.Computer) error { return use(computer) }
	switch access {
	case netsh.Make:
		return inv.write(ctx, do)
	case netsh.End:
		err := inv.change(ctx, do)
		if errors.Is(err, store.ErrMissing) {
			return &reservation.Error{Op: opDeleteExclusion, Err: reservation.ErrNotFound}
		}
		return err
	}
	return inv.read(ctx, do)
}

// A netshFailure is an error that ends the program with netsh's exit code instead of berth's.
type netshFailure struct{ err error }

func (f *netshFailure) Error() string { return f.err.Error() }
func (f *netshFailure) Unwrap() error { return f.err }
