package supervise

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The watchdog is there for two ends that berth itself cannot look after: if berth is killed, it says
// so and sees to it that the program ends; if the program leaves descendants behind when it ends, it
// lets their calls go on, which would fail otherwise. Its arguments are how long, in milliseconds, a
// program has to end, the pid of berth, and the name and the pid of the program.

// The descriptors of a watchdog, beside standard error.
const (
	watchdogChannel = 3
	watchdogProcess = 4 // the program's
)

// grace is how long a program whose supervisor was killed has to end by itself.
const grace = 5 * time.Second

func watch(arguments []string) error {
	if len(arguments) != 4 {
		return errLaunch
	}
	milliseconds, err := strconv.Atoi(arguments[0])
	if err != nil {
		return errLaunch
	}
	berth := arguments[1]
	program := fmt.Sprintf("%s (pid %s)", arguments[2], arguments[3])
	told, listener, err := channel(watchdogChannel).receive()
	switch {
	case errors.Is(err, io.EOF):
		return endProgram(berth, program, time.Duration(milliseconds)*time.Millisecond)
	case err != nil:
		return err
	case told.kind == watchdogTakeOver && listener >= 0:
		return letGoOn(listener)
	}
	return nil
}

// endProgram tells why the program ends, and kills it if it does not. The kernel has asked it to
// already: see PR_SET_PDEATHSIG in prepare.
func endProgram(berth, program string, patience time.Duration) error {
	if hasEnded(time.Second / 10) {
		fmt.Fprintf(os.Stderr, "berth: berth exec (pid %s) was killed, and %s has ended with it\n", berth, program)
		return nil
	}
	fmt.Fprintf(os.Stderr, "berth: berth exec (pid %s) was killed: %s has to end, since nobody holds its ports any more\n", berth, program)
	if hasEnded(patience) {
		return nil
	}
	fmt.Fprintf(os.Stderr, "berth: %s did not end within %v of SIGTERM and is killed\n", program, patience)
	err := unix.PidfdSendSignal(watchdogProcess, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// hasEnded waits for the program's end for that long.
func hasEnded(wait time.Duration) bool {
	files := []unix.PollFd{{Fd: watchdogProcess, Events: unix.POLLIN}}
	for deadline := time.Now().Add(wait); ; {
		n, err := unix.Poll(files, max(0, int(time.Until(deadline).Milliseconds())))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// letGoOn answers the calls of what is left of the program until nothing is. It has no block, so all
// calls go on.
func letGoOn(listener int) error {
	// Whoever waits for the end of berth's output waits for the descendants, not for us.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := unix.Dup3(int(null.Fd()), 2, 0); err != nil {
		return os.NewSyscallError("dup", err)
	}
	s, err := newSupervisor(new(Program), listener, true)
	if err != nil {
		return err
	}
	s.serving.Wait()
	return nil
}

// startWatchdog starts a watchdog over a program that has not been executed yet, and returns the
// channel to it and its pid.
func startWatchdog(program *Program, pid, process int) (channel, int, error) {
	ours, theirs, err := newChannel()
	if err != nil {
		return -1, 0, err
	}
	defer theirs.close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		ours.close()
		return -1, 0, err
	}
	defer null.Close()
	arguments := []string{watchdogName, strconv.Itoa(int(grace.Milliseconds())), strconv.Itoa(os.Getpid()), program.Arguments[0], strconv.Itoa(pid)}
	watchdog, err := forkExec(arguments, os.Environ(), []uintptr{null.Fd(), null.Fd(), program.Files[2].Fd(), uintptr(theirs), uintptr(process)}, true)
	runtime.KeepAlive(program.Files)
	if err != nil {
		ours.close()
		return -1, 0, err
	}
	return ours, watchdog, nil
}
