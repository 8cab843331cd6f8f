//go:build unix

package supervise

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The launcher is the process that becomes the program. It exists because two things must be done in
// that very process: to install the filter, and to learn the process's own number for LISTEN_PID.
// Its arguments are the descriptor of its channel, what to prepare, the file to execute and the
// program's arguments.

// What a launcher prepares.
const (
	prepareFilter  = "filter"
	prepareSockets = "sockets"
)

// newLaunch returns the arguments of a launcher.
func newLaunch(program *Program, channelDescriptor int, prepare string) []string {
	return append([]string{launcherName, strconv.Itoa(channelDescriptor), prepare, program.Path}, program.Arguments...)
}

// errLaunch is a launcher that somebody else than berth has started.
var errLaunch = errors.New("this is a part of berth exec; run that")

func launch(arguments []string) error {
	if len(arguments) < 4 {
		return errLaunch
	}
	descriptor, err := strconv.Atoi(arguments[0])
	if err != nil || descriptor <= 2 {
		return errLaunch
	}
	// The filter and the signal at berth's death belong to one thread, which must be the one that
	// executes the program.
	runtime.LockOSThread()
	c := channel(descriptor)
	unix.CloseOnExec(descriptor)
	environment := os.Environ()
	switch arguments[1] {
	case prepareFilter:
		err = prepare(c)
	case prepareSockets:
		environment = append(environment, listenPID+"="+strconv.Itoa(os.Getpid()))
	default:
		return errLaunch
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil // berth has ended, and with it the reason to be here
	case err != nil:
		return err
	}
	err = syscall.Exec(arguments[2], arguments[3:], environment)
	return c.send(launcherFailed, uint64(errnoIn(err)), -1)
}

// listenPID tells the program that the sockets are meant for it: sd_listen_fds(3).
const listenPID = "LISTEN_PID"

// listenEnvironment returns an environment with what the protocol of socket activation wants, but for
// listenPID, which only the program's own process can tell.
func listenEnvironment(environment []string, sockets []PassedFile) []string {
	names := make([]string, 0, len(sockets))
	for _, socket := range sockets {
		names = append(names, socket.Name)
	}
	var clean []string
	for _, variable := range environment {
		if name, _, _ := strings.Cut(variable, "="); name != listenPID && name != "LISTEN_FDS" && name != "LISTEN_FDNAMES" && name != "LISTEN_PIDFDID" {
			clean = append(clean, variable)
		}
	}
	if len(sockets) == 0 {
		return clean
	}
	return append(clean, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
}

// errnoIn returns the number of a system's error.
func errnoIn(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EINVAL
}
