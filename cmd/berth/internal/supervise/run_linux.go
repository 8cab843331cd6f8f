package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A session is one run of a program, with its helpers.
type session struct {
	program  *Program
	launcher channel
	pid      int // of the launcher, which becomes the program
	process  int // a descriptor of it, since a number may come to mean another process

	supervisor  *supervisor // nil if the program is not supervised
	watchdog    channel
	watchdogPID int // 0 if there is none
}

func run(program *Program) (Status, error) {
	// The kernel counts berth as dead, for the program's SIGTERM, when the thread that started it is.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	switch program.Access {
	case Released:
		program.release("")
		return runPlain(program)
	case Passed:
		return runPassed(program)
	}
	if !canSupervise() {
		program.release(fmt.Sprintf("berth does not know the system calls of %s", runtime.GOARCH))
		return runPlain(program)
	}
	status, err := runSupervised(program)
	if errors.Is(err, errLauncherStuck) {
		program.release(err.Error())
		return runPlain(program)
	}
	return status, err
}

// runSupervised runs a program with a supervisor, or without one if the system refuses it.
func runSupervised(program *Program) (Status, error) {
	s, err := startLauncher(program)
	if err != nil {
		return Status{}, err
	}
	defer unix.Close(s.process)
	defer s.launcher.close()
	signals := catchSignals()
	defer signals.stop()
	signals.to(s.signal)

	err = s.execute()
	switch {
	case errors.Is(err, errLauncherStuck):
		s.signal(unix.SIGKILL)
		return Status{}, err // no waiting: it may never end
	case err != nil && !errors.Is(err, errLauncherEnded):
		s.signal(unix.SIGKILL)
	default:
		err = nil
	}
	status, waitErr := s.wait()
	program.close() // before the watchdog is told, so that nobody hears of the end before the ports are free
	s.finish()
	return status, errors.Join(err, waitErr)
}

// startLauncher starts the launcher of a supervised program.
func startLauncher(program *Program) (*session, error) {
	// Orphans of the program become our children, so that the system lets us look into them: Yama
	// allows that for descendants alone.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	ours, theirs, err := newChannel()
	if err != nil {
		return nil, err
	}
	defer theirs.close()
	// The program's own files follow when the filter is there. A launcher that the kernel keeps for ever
	// would keep them open, and whoever reads what berth writes would wait for their end.
	nowhere, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		ours.close()
		return nil, err
	}
	defer nowhere.Close()
	files := []uintptr{nowhere.Fd(), nowhere.Fd(), nowhere.Fd()}
	pid, err := forkExec(newLaunch(program, len(files), prepareFilter),
		listenEnvironment(program.Environment, nil), append(files, uintptr(theirs)), false)
	if err != nil {
		ours.close()
		return nil, err
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		ours.close() // the launcher ends then
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return &session{program: program, launcher: ours, pid: pid, process: process}, nil
}

// errLauncherEnded is a launcher that a signal killed, which counts as the program's end.
var errLauncherEnded = errors.New("the launcher has ended")

// errLauncherStuck is a launcher that the kernel keeps in a call. Kernels whose memory for compiled
// filters is locked up for good have been seen.
var errLauncherStuck = fmt.Errorf("the kernel has not installed a filter within %v", launcherPatience)

// launcherPatience is how long the launcher may take from one message to the next, which are some
// milliseconds usually.
const launcherPatience = 5 * time.Second

// execute prepares the launcher and has it execute the program.
func (s *session) execute() error {
	if err := s.launcher.setPatience(launcherPatience); err != nil {
		return err
	}
	listener, isSteady, err := s.install()
	if errors.Is(err, errLauncherEnded) || errors.Is(err, errLauncherStuck) {
		return err
	}
	if err == nil {
		err = s.supervise(listener, isSteady)
	}
	if err != nil {
		s.program.release(err.Error())
	}
	if err := s.launcher.setPatience(0); err != nil {
		return err
	}
	for standard, file := range s.program.descriptors() {
		if err := s.launcher.send(launcherFile, uint64(standard), int(file)); err != nil {
			return errLauncherEnded
		}
	}
	if err := s.launcher.send(launcherExecute, 0, -1); err != nil {
		return errLauncherEnded
	}
	told, _, err := s.launcher.receive()
	switch {
	case errors.Is(err, io.EOF):
		return nil // execve has closed the channel
	case err != nil:
		return err
	}
	return &StartError{Path: s.program.Path, Err: syscall.Errno(told.value)}
}

// supervise begins to serve the program's calls.
func (s *session) supervise(listener int, isSteady bool) error {
	supervisor, err := newSupervisor(s.program, listener, isSteady)
	if err != nil {
		_ = unix.Close(listener)
		return err
	}
	s.supervisor = supervisor
	if s.watchdog, s.watchdogPID, err = startWatchdog(s.program, s.pid, s.process); err != nil {
		// The program runs as well without one, unless somebody kills berth.
		s.program.notify("nobody will tell if berth is killed: %v", err)
	}
	return nil
}

// install has the launcher install the filter, if this process may do what comes after that, and
// returns the listener.
func (s *session) install() (listener int, isSteady bool, err error) {
	told, _, err := s.launcher.receive()
	if err != nil {
		return -1, false, launcherError(err)
	}
	if err := s.probe(told.value); err != nil {
		return -1, false, fmt.Errorf("the system does not let berth look into a program that it has started: %w", err)
	}
	if err := s.launcher.send(launcherInstall, 0, -1); err != nil {
		return -1, false, errLauncherEnded
	}
	told, listener, err = s.launcher.receive()
	switch {
	case err != nil:
		return -1, false, launcherError(err)
	case told.kind == filterRefused:
		return -1, false, describeRefusal(syscall.Errno(told.value))
	}
	return listener, told.value != 0, nil
}

// launcherError returns what it means that a message of the launcher cannot be received.
func launcherError(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return errLauncherStuck
	}
	return errLauncherEnded
}

// describeRefusal says why a filter cannot be installed.
func describeRefusal(errno syscall.Errno) error {
	if errno == unix.EBUSY {
		return errors.New("the program is supervised already, by another berth exec or a container")
	}
	return fmt.Errorf("the system does not let berth supervise it: seccomp: %w", errno)
}

// probe tries on the launcher what a supervisor does to a program: system-call policies of containers
// forbid some of it.
func (s *session) probe(mark uint64) error {
	word := make([]byte, 8)
	if err := readMemory(s.pid, mark, word); err != nil {
		return os.NewSyscallError("process_vm_readv", err)
	}
	if binary.NativeEndian.Uint64(word) != probeMark {
		return errors.New("process_vm_readv: another process's memory")
	}
	process, err := openThread(s.pid)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(process)
	descriptor, err := unix.PidfdGetfd(process, len(s.program.Files), 0) // the launcher's channel
	if err != nil {
		return os.NewSyscallError("pidfd_getfd", err)
	}
	return unix.Close(descriptor)
}

// wait reaps children until the program ends. Others are orphans that the program left to us.
func (s *session) wait() (Status, error) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return Status{}, os.NewSyscallError("wait4", err)
		case pid == s.pid:
			return statusOf(status), nil
		case pid == s.watchdogPID:
			s.watchdogPID = 0
		}
	}
}

// finish ends the supervision. What is left of the program goes on, without us.
func (s *session) finish() {
	if s.supervisor == nil {
		return
	}
	s.supervisor.stop()
	listener := s.supervisor.listener
	if s.watchdogPID != 0 {
		kind, descriptor := byte(watchdogDone), -1
		if isUsed(listener) {
			kind, descriptor = watchdogTakeOver, listener
		}
		_ = s.watchdog.send(kind, 0, descriptor)
		s.watchdog.close()
		if kind == watchdogDone {
			_, _ = unix.Wait4(s.watchdogPID, nil, 0, nil)
		}
	}
	_ = unix.Close(listener)
}

// isUsed reports whether there is a process left that the filter of a listener applies to.
func isUsed(listener int) bool {
	files := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	_, err := unix.Poll(files, 0)
	return err != nil || files[0].Revents&unix.POLLHUP == 0
}

// signal sends the program a signal; nothing happens once it has ended.
func (s *session) signal(number syscall.Signal) {
	_ = unix.PidfdSendSignal(s.process, number, nil, 0)
}
