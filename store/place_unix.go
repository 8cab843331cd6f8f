//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A place is where a file is looked for: a name in the store's directory. As long as no name in the
// directory has changed the place still leads to the same file, and nothing else needs a look.
type place struct {
	name  pathName
	stamp directoryStamp // of the last time that it was known to lead there
}

func newPlace(name string) place { return place{name: newPathName(name)} }

// leadsTo reports whether the file at the place is still c.
func (p *place) leadsTo(d *directory, c *copyFile) bool {
	stamp := stampDirectory(d.handle)
	if stamp.settled && stamp == p.stamp {
		return true
	}
	if !p.name.leadsTo(d, c) {
		return false
	}
	p.stamp = stamp
	return true
}

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
