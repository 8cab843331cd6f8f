package command

import (
	"os"

	"golang.org/x/sys/windows"
)

// isTerminal reports whether file is a console that understands escape sequences; it asks the
// console to.
func isTerminal(file *os.File) bool {
	console := windows.Handle(file.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
