//go:build unix

package supervise

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
)

// selfPath is this program's file, which the helpers are further runs of.
func selfPath() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil // right even if the file was replaced
	}
	return os.Executable()
}

// forkExec starts a helper. It is a child that nobody but us waits for.
func forkExec(arguments, environment []string, files []uintptr, newSession bool) (pid int, err error) {
	self, err := selfPath()
	if err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec(self, arguments, &syscall.ProcAttr{
		Env: environment, Files: files, Sys: &syscall.SysProcAttr{Setsid: newSession},
	})
	if err != nil {
		return 0, &StartError{Path: self, Err: err}
	}
	return pid, nil
}

// descriptors returns those of standard input, output and error.
func (p *Program) descriptors() []uintptr {
	return []uintptr{p.Files[0].Fd(), p.Files[1].Fd(), p.Files[2].Fd()}
}

// runPlain runs a program to whom the ports are let go.
func runPlain(program *Program) (Status, error) {
	signals := catchSignals()
	defer signals.stop()
	process, err := os.StartProcess(program.Path, program.Arguments, &os.ProcAttr{
		Env: listenEnvironment(program.Environment, nil), Files: program.Files[:],
	})
	if err != nil {
		return Status{}, newStartError(program.Path, err)
	}
	signals.to(func(number syscall.Signal) { _ = process.Signal(number) })
	state, err := process.Wait()
	if err != nil {
		return Status{}, err
	}
	return statusOf(state.Sys().(syscall.WaitStatus)), nil
}

// newStartError leaves out of err what a StartError says already.
func newStartError(path string, err error) error {
	var failed *os.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return &StartError{Path: path, Err: err}
}

// runPassed runs a program that gets bound sockets. Our copies are closed when it has them, so that
// a port is held again once the program closes it.
func runPassed(program *Program) (Status, error) {
	signals := catchSignals()
	defer signals.stop()
	ours, theirs, err := newChannel()
	if err != nil {
		return Status{}, err
	}
	defer ours.close()
	files := program.descriptors()
	for _, socket := range program.Sockets {
		files = append(files, socket.File.Fd())
	}
	pid, err := forkExec(newLaunch(program, len(files), prepareSockets),
		listenEnvironment(program.Environment, program.Sockets), append(files, uintptr(theirs)), false)
	theirs.close()
	for _, socket := range program.Sockets {
		_ = socket.File.Close()
	}
	if err != nil {
		return Status{}, err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return Status{}, err
	}
	signals.to(func(number syscall.Signal) { _ = process.Signal(number) })
	told, _, launchErr := ours.receive()
	state, err := process.Wait()
	switch {
	case launchErr == nil:
		return Status{}, &StartError{Path: program.Path, Err: syscall.Errno(told.value)}
	case !errors.Is(launchErr, io.EOF):
		return Status{}, launchErr
	case err != nil:
		return Status{}, err
	}
	return statusOf(state.Sys().(syscall.WaitStatus)), nil
}

type waitStatus interface {
	Signaled() bool
	Signal() syscall.Signal
	ExitStatus() int
}

func statusOf(status waitStatus) Status {
	if status.Signaled() {
		return Status{Signal: status.Signal()}
	}
	return Status{ExitCode: status.ExitStatus()}
}
