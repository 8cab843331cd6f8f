//go:build unix

package supervise

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded lists the signals that are passed on to the program, and whether the terminal sends them
// by itself to the program as well as to us. SIGTSTP is not among them: Ctrl-Z stops us both, and Go
// programs cannot stop as if they had not caught it.
var forwarded = map[syscall.Signal]bool{
	unix.SIGINT:   true,
	unix.SIGQUIT:  true,
	unix.SIGWINCH: true,
	unix.SIGTERM:  false,
	unix.SIGHUP:   false,
	unix.SIGUSR1:  false,
	unix.SIGUSR2:  false,
	unix.SIGCONT:  false, // twice does no harm
}

// A forwarding passes signals on until stop.
type forwarding struct {
	signals chan os.Signal
	ended   chan struct{} // closed when no signal is passed on any more; nil before to
}

// catchSignals keeps the signals that are to be passed on, before there is a program to pass them to.
func catchSignals() *forwarding {
	f := &forwarding{signals: make(chan os.Signal, 64)}
	for number := range forwarded {
		// Who started us with a signal ignored, such as nohup, means the program.
		if !signal.Ignored(number) {
			signal.Notify(f.signals, number)
		}
	}
	return f
}

// to passes the signals that have come, and those that come, on through send.
//
// The program stays in our process group, so that the terminal's job control reaches it: Ctrl-C, Ctrl-Z
// and the like go to it without us. While we are in the terminal's foreground, such a signal is taken
// for the terminal's and not sent once more; the system does not tell Go programs who sent it.
func (f *forwarding) to(send func(syscall.Signal)) {
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		for received := range f.signals {
			number := received.(syscall.Signal)
			fromTerminal := forwarded[number] && isForeground()
			if !fromTerminal {
				send(number)
			}
		}
	}()
}

// stop ends the forwarding. Nothing is sent after it has returned.
func (f *forwarding) stop() {
	signal.Stop(f.signals)
	close(f.signals)
	if f.ended != nil {
		<-f.ended
	}
}

// isForeground reports whether this process is in the foreground of its terminal.
func isForeground() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(terminal)
	group, err := unix.IoctlGetInt(terminal, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
