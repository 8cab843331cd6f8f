//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// stampDirectory tells when a name of the directory was changed last. It allocates nothing.
func stampDirectory(handle *os.File) directoryStamp {
	var stat unix.Stat_t
	if err := unix.Fstat(int(handle.Fd()), &stat); err != nil {
		return directoryStamp{}
	}
	return newDirectoryStamp(int64(stat.Mtim.Sec), int64(stat.Mtim.Nsec))
}
