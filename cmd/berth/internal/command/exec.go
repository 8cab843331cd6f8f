package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berth/internal/supervise"
	"github.com/berthkit/berth/reservation/system"
)

// What exec exits with when it is not the program's status: as env, timeout and docker run do.
const (
	exitExecFailed   = 125 // berth itself failed; nothing was run
	exitExecCannot   = 126 // the file is there and cannot be run
	exitExecNotFound = 127 // there is no such program
)

func newExec(inv *invocation) *cobra.Command {
	var flags execFlags
	cmd := &cobra.Command{
		Use:   "exec PROTOCOL COUNT [PROTOCOL COUNT] -- COMMAND [ARGUMENT...]",
		Short: "Run a program on a block of ports that nobody else gets",
		Long: `Exec takes a block of ports, holds them with sockets, and runs a program that binds from them. It
passes signals on, exits with the program's status, and frees the ports when the program ends. With
--reserved the ports are those of a reservation: exec --reserved PROTOCOL RANGE -- COMMAND.

The program finds its ports in BERTH_UDP (40000-40009), BERTH_UDP_FIRST, BERTH_UDP_LAST and
BERTH_UDP_COUNT, BERTH_TCP likewise, and in its arguments, where exec puts them in for {udp},
{udp.first}, {udp.last}, {udp.count}, {udp.0}, {udp.1} and so on.

On Linux the program is as it is: where it binds a port of its block, berth hands the port over.
Elsewhere the ports are let go just before it starts, and a line on stderr says so.`,
		Example: `  berth exec tcp 1 -- python3 -m http.server {tcp}
  berth exec udp 100 --align 2 --within 40000-50000 -- media-server --ports {udp.first}-{udp.last}
  berth exec --reserved udp 50000-50009 -- game-server --port {udp.0}
  berth exec tcp 2 --pass-fds -- app-that-knows-socket-activation`,
		GroupID:               groupUse,
		DisableFlagsInUseLine: true,

		ValidArgsFunction: inv.completeExec(&flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := flags.parse(cmd, args)
			if err != nil {
				return &execFailure{err}
			}
			status, err := inv.exec(cmd.Context(), request)
			switch {
			case err != nil:
				return &execFailure{err}
			case status != exitOK:
				return programStatus(status)
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &execFailure{misused(cmd, "%v", err)}
	})
	flags.define(cmd)
	return cmd
}

// A programStatus is the status of a program that exec has run, when it is not 0. It is an error so
// that it gets to the exit code; there is nothing to say about it.
type programStatus int

func (s programStatus) Error() string { return fmt.Sprintf("the program exited with %d", int(s)) }

// An execFailure is what kept exec from running a program.
type execFailure struct{ err error }

func (f *execFailure) Error() string { return f.err.Error() }
func (f *execFailure) Unwrap() error { return f.err }

// code returns the exit code, which no other command's is mistaken for.
func (f *execFailure) code() int {
	var start *supervise.StartError
	switch {
	case errors.Is(f.err, context.Canceled):
		return exitInterrupted
	case !errors.As(f.err, &start):
		return exitExecFailed
	case errors.Is(start, fs.ErrNotExist):
		return exitExecNotFound
	}
	return exitExecCannot
}

// exec runs the program of a request and returns its status as a shell counts it.
func (inv *invocation) exec(ctx context.Context, request *execRequest) (status int, err error) {
	path, err := findProgram(request.command[0])
	if err != nil {
		return 0, err
	}
	engine := inv.read
	if request.reserved {
		engine = inv.readTokens
	}
	err = engine(ctx, func(computer *system.Computer) error {
		berths, err := takeBlocks(ctx, computer, request)
		defer berths.close()
		if err != nil {
			return inv.execRefused(err, request)
		}
		program, err := inv.programOn(ctx, request, path, berths)
		if err != nil {
			return err
		}
		ended, err := supervise.Run(program)
		status = ended.Code()
		return startFailed(err)
	})
	return status, err
}

// findProgram returns the file of a program. Unlike exec.LookPath it takes one from the present folder
// where the PATH names that: so does everything else that runs programs here.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil || errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, exec.ErrNotFound):
		err = fs.ErrNotExist
	}
	var failed *exec.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return "", startFailed(&supervise.StartError{Path: name, Err: err})
}

// startFailed says in a failure to start a program what it means.
func startFailed(err error) error {
	var start *supervise.StartError
	switch {
	case !errors.As(err, &start):
		return err
	case errors.Is(start, fs.ErrNotExist) && !strings.ContainsRune(start.Path, filepath.Separator):
		return &failure{err, fmt.Sprintf("There is no program %s in the folders of PATH.", start.Path)}
	case errors.Is(start, fs.ErrNotExist):
		return &failure{err, "The file is not there, or what its first line wants to run it with is not."}
	case errors.Is(start, fs.ErrPermission):
		return &failure{err, "If it is a program, allow running it: chmod +x " + start.Path}
	}
	return err
}

// programOn returns the program of a request with everything that it gets.
func (inv *invocation) programOn(ctx context.Context, request *execRequest, path string, berths *berths) (*supervise.Program, error) {
	arguments, err := expandAll(request.command, berths.ranges())
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	program := &supervise.Program{
		Path:         path,
		Arguments:    arguments,
		Environment:  withPorts(os.Environ(), berths.ranges()),
		Files:        [3]*os.File{os.Stdin, os.Stdout, os.Stderr},
		Blocks:       berths.blocks,
		Access:       request.access,
		DrawPortZero: request.drawPortZero,
		Notify: func(sentence string) {
			mu.Lock()
			defer mu.Unlock()
			inv.stderr.printf("berth: note: %s\n", sentence)
		},
	}
	if request.access == supervise.Passed {
		if program.Sockets, err = berths.listen(ctx, request.address); err != nil {
			return nil, inv.passingFailed(err, request)
		}
	}
	return program, nil
}
