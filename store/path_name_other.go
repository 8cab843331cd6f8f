//go:build !linux

package store

import (
	"io/fs"
	"os"
)

// A pathName is a name in a directory.
type pathName string

func newPathName(name string) pathName { return pathName(name) }

// leadsTo reports whether the name leads to the file that opened describes.
func (n pathName) leadsTo(d *directory, opened fs.FileInfo) bool {
	now, err := d.root.Lstat(string(n))
	return err == nil && os.SameFile(now, opened)
}
