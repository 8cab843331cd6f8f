package supervise

import (
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// probeMark is what berth reads in the launcher's memory to see whether it may.
const probeMark = 0x62657274682d6578 // "berth-ex"

// prepare puts the filter on this thread if berth says so, and returns when it is time to execute the
// program. It returns io.EOF if berth has ended.
func prepare(c channel) error {
	// If berth is killed the program is asked to end. See the watchdog for the rest.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	mark := new(uint64)
	*mark = probeMark
	defer runtime.KeepAlive(mark)
	if err := c.send(launcherReady, addressOf(mark), -1); err != nil {
		return io.EOF
	}
	for {
		told, descriptor, err := c.receive()
		if err != nil {
			return err
		}
		switch told.kind {
		case launcherExecute:
			return nil
		case launcherFile:
			err = take(descriptor, int(told.value))
		default:
			err = install(c)
		}
		if err != nil {
			return err
		}
	}
}

// take makes a descriptor a standard file, which the program inherits.
func take(descriptor, standard int) error {
	defer unix.Close(descriptor)
	return os.NewSyscallError("dup3", unix.Dup3(descriptor, standard, 0))
}

// install installs the filter and hands its listener to berth, or tells why not.
func install(c channel) error {
	// Without a privilege, the kernel demands that no program gains one under the filter.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return c.send(filterRefused, uint64(errnoIn(err)), -1)
	}
	listener, isSteady, err := installFilter(newFilter(conventions[runtime.GOARCH]))
	if err != nil {
		return c.send(filterRefused, uint64(errnoIn(err)), -1)
	}
	defer unix.Close(listener)
	var steady uint64
	if isSteady {
		steady = 1
	}
	return c.send(filterListens, steady, listener)
}
