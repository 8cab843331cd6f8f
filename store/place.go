package store

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
	if !p.name.leadsTo(d, c.info) {
		return false
	}
	p.stamp = stamp
	return true
}
