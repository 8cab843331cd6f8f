package system

import "golang.org/x/sys/windows"

// isElevated reports whether this process runs with an administrator's full token.
func isElevated() bool { return windows.GetCurrentProcessToken().IsElevated() }
