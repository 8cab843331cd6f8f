//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package store

import "os"

// A pathName is a name in a directory.
type pathName string

func newPathName(name string) pathName { return pathName(name) }

// leadsTo reports whether the name leads to c.
func (n pathName) leadsTo(d *directory, c *copyFile) bool {
	now, err := d.root.Lstat(string(n))
	return err == nil && os.SameFile(now, c.info)
}
