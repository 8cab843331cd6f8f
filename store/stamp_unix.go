//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A directoryStamp tells whether names of a directory may have changed since.
type directoryStamp struct {
	seconds, nanoseconds int64 // when a name was changed last
	settled              bool  // long enough ago for another change to show
}

// settleTime is above the granularity of any file system's time stamps.
const settleTime = 3 * time.Second

// stampDirectory tells when a name of the directory was changed last. It allocates nothing.
func stampDirectory(handle *os.File) directoryStamp {
	var stat unix.Stat_t
	if err := unix.Fstat(int(handle.Fd()), &stat); err != nil {
		return directoryStamp{}
	}
	seconds, nanoseconds := int64(stat.Mtim.Sec), int64(stat.Mtim.Nsec)
	return directoryStamp{seconds, nanoseconds, time.Since(time.Unix(seconds, nanoseconds)) > settleTime}
}
