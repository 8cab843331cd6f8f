package pool

import "iter"

// A PortSet is a set of ports that can be searched for runs of ports that are not in it. The zero
// PortSet is empty and ready to use. A PortSet must not be copied; use [PortSet.Clone].
//
// Beside its 65,536 bits it keeps summaries, so that any question about a range looks at a handful
// of words, and a tree of free runs, so that a search visits a handful of nodes (see
// [PortSet.FindFree]). Port 0 is never in a set and never free. The zero [Range] holds no port:
// adding and removing it does nothing.
//
// Any number of callers may read a PortSet while nobody changes it, and one of them may clone it. A
// clone is independent: it may be read while the original changes, and the other way round.
type PortSet struct {
	ports bitmap
	free  runTree
}

// Add puts the ports of r into the set.
func (s *PortSet) Add(r Range) {
	if !r.IsValid() {
		return
	}
	if s.ports.pages[0] == nil { // the zero PortSet
		s.free.reset()
	}
	s.ports.fill(r)
	s.free.update(&s.ports, r)
}

// Remove takes the ports of r out of the set.
func (s *PortSet) Remove(r Range) {
	if !s.Overlaps(r) {
		return
	}
	s.ports.empty(r)
	s.free.update(&s.ports, r)
}

// Clear takes all ports out of the set.
func (s *PortSet) Clear() { *s = PortSet{} }

// Contains reports whether port is in the set.
func (s *PortSet) Contains(port uint16) bool { return s.ports.overlaps(port, port) }

// Overlaps reports whether any port of r is in the set.
func (s *PortSet) Overlaps(r Range) bool { return s.ports.overlaps(r.first, r.last) }

// Len returns the number of ports in the set.
func (s *PortSet) Len() int { return s.ports.length }

// Clone returns an independent copy. It takes about a microsecond whatever the set holds: both
// share their pages, and whoever changes a shared page first copies it.
func (s *PortSet) Clone() *PortSet {
	s.share()
	clone := new(PortSet)
	*clone = *s
	return clone
}

func (s *PortSet) share() {
	s.ports.share()
	s.free.share()
}

// All yields the ports of the set in ascending order. The set must not change meanwhile.
func (s *PortSet) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		s.ports.rangesSet(AllPorts, func(r Range) bool {
			for port := range r.Ports() {
				if !yield(port) {
					return false
				}
			}
			return true
		})
	}
}

// Ranges yields the maximal runs of ports of the set in ascending order. The set must not change
// meanwhile.
func (s *PortSet) Ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) { s.ports.rangesSet(AllPorts, yield) }
}
