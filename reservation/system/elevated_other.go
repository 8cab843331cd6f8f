//go:build !windows

package system

import "os"

// isElevated reports whether this process runs as root.
func isElevated() bool { return os.Geteuid() == 0 }
