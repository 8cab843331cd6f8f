//go:build !unix

package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
)

func run(program *Program) (Status, error) {
	switch program.Access {
	case Passed:
		return Status{}, fmt.Errorf("sockets cannot be passed to a program on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	case Supervised:
		program.release(runtime.GOOS + " has no way to hand them over to a program as it is")
	case Released:
		program.release("")
	}
	// The console sends Ctrl-C to the program as well; it decides what comes of it.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	process, err := os.StartProcess(program.Path, program.Arguments, &os.ProcAttr{Env: program.Environment, Files: program.Files[:]})
	if err != nil {
		return Status{}, newStartError(program.Path, err)
	}
	state, err := process.Wait()
	if err != nil {
		return Status{}, err
	}
	return Status{ExitCode: state.ExitCode()}, nil
}

// newStartError leaves out of err what a StartError says already.
func newStartError(path string, err error) error {
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return &StartError{Path: path, Err: err}
}
