//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package store

import "os"

// A place is where a file is looked for: a name in the store's directory.
type place struct{ name string }

func newPlace(name string) place { return place{name} }

// leadsTo reports whether the file at the place is still c.
func (p *place) leadsTo(d *directory, c *copyFile) bool {
	now, err := d.root.Lstat(p.name)
	return err == nil && os.SameFile(now, c.info)
}
