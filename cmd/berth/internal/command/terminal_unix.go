//go:build unix

package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether file is a terminal: only those have a window size.
func isTerminal(file *os.File) bool {
	connection, err := file.SyscallConn()
	if err != nil {
		return false
	}
	isTerminal := false
	err = connection.Control(func(fd uintptr) {
		_, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
		isTerminal = err == nil
	})
	return err == nil && isTerminal
}
