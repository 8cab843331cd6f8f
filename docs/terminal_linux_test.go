package docs_test

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal for programs to write to, and what reads from it what they wrote:
// the documents show what a person sees, and berth says less to a pipe. Both ends are the caller's.
func openTerminal() (reader, writer *os.File, err error) {
	reader, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number := 0
	err = control(reader, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	if err == nil {
		writer, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = reader.Close()
		return nil, nil, err
	}
	return reader, writer, nil
}

func control(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inside error
	if err := raw.Control(func(fd uintptr) { inside = do(int(fd)) }); err != nil {
		return err
	}
	return inside
}
