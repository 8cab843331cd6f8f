//go:build unix

package supervise

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A channel is one end of the pair of sockets through which this process and a helper talk. The
// other end sees the end of the stream when a process has ended, or when its channel was closed on
// executing the program.
type channel int

// A message is what goes through a channel, maybe with a descriptor.
type message struct {
	kind  byte
	value uint64
}

// What the launcher tells, and is told.
const (
	launcherReady    = 'r' // value: where in its memory probeMark lies
	launcherInstall  = 'i' // install the filter, and answer with filterListens or filterRefused
	filterListens    = 'l' // with the listener; value: 1 if only a fatal signal interrupts a call that was received
	filterRefused    = 'e' // value: the error number
	launcherFile     = 'o' // with a descriptor; value: which standard file of the program it is
	launcherExecute  = 'x' // become the program
	launcherFailed   = 'f' // value: the error number of execve
	watchdogDone     = 'd' // the program has ended, and nothing of it is left
	watchdogTakeOver = 't' // with the listener: descendants of the program are left
)

const messageLength = 9

// newChannel returns both ends, neither of which is inherited.
func newChannel() (ours, theirs channel, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w", err)
	}
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	return channel(ends[0]), channel(ends[1]), nil
}

// send sends a message, with a descriptor if that is not negative.
func (c channel) send(kind byte, value uint64, descriptor int) error {
	buffer := binary.NativeEndian.AppendUint64([]byte{kind}, value)
	var rights []byte
	if descriptor >= 0 {
		rights = unix.UnixRights(descriptor)
	}
	for {
		err := unix.Sendmsg(int(c), buffer, rights, nil, 0)
		if err != unix.EINTR {
			return err
		}
	}
}

// receive waits for a message and returns it with the descriptor that came along, or -1. It returns
// io.EOF if the other end has been closed.
func (c channel) receive() (message, int, error) {
	buffer, rights := make([]byte, messageLength), make([]byte, unix.CmsgSpace(4))
	var n, m int
	var err error
	for {
		n, m, _, _, err = unix.Recvmsg(int(c), buffer, rights, 0)
		if err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.ECONNRESET || err == nil && n == 0:
		return message{}, -1, io.EOF
	case err != nil:
		return message{}, -1, fmt.Errorf("recvmsg: %w", err)
	case n != messageLength:
		return message{}, -1, io.ErrUnexpectedEOF
	}
	return message{kind: buffer[0], value: binary.NativeEndian.Uint64(buffer[1:])}, descriptorIn(rights[:m]), nil
}

// descriptorIn returns the descriptor of a control message, made not to be inherited, or -1.
func descriptorIn(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return -1
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) == 0 {
		return -1
	}
	unix.CloseOnExec(descriptors[0])
	return descriptors[0]
}

// setPatience makes receive return unix.EAGAIN when nothing comes for that long; 0 means never.
func (c channel) setPatience(patience time.Duration) error {
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(int(c), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
}

func (c channel) close() { _ = unix.Close(int(c)) }
