package pool

import "math/bits"

// FindFree returns the first run of count ports, none of which is in the set, that search allows,
// and whether there is one. The whole run lies in search.Within and begins at a multiple of
// search.Align. Runs that begin at search.From or above come first, lowest first; then those that
// begin below it, which may reach over it. A port in one of the sets of search.Avoid counts as
// taken; nil sets count as empty. The answer is exact: false means that no such run exists.
//
// A count below 1 or above 65,535, an Align below 0 and one above 65,535 find nothing.
//
// With an Align of 0, 1 or 2 and nothing to avoid the search takes at most one path up the tree of
// free runs, 10 levels, and one down, whatever the set holds; it takes them twice if it has to wrap
// around. Otherwise it takes them once for each run that is long enough but holds no aligned start
// or touches a port to avoid. If too many runs are such, it goes on word by word, so that the worst
// case is two scans of 1,024 words: tens of microseconds.
func (s *PortSet) FindFree(count int, search Search) (Range, bool) {
	within := search.Within
	if !within.IsValid() {
		within = AllPorts
	}
	if count < 1 || count > within.Count() || search.Align < 0 || search.Align > MaxPort {
		return Range{}, false
	}
	query := finder{count: count, align: max(1, search.Align), set: s, avoid: search.Avoid}
	if s.ports.length > 0 && s.free.top[1].reach() < reachOf(count, query.even()) {
		return Range{}, false
	}
	first, last := int(within.first), int(within.last)
	from := max(first, int(search.From))
	start := query.find(from, last)
	if start == nowhere {
		below := min(last, from-1+count-1) // where a run ends at most that begins below from
		start = query.find(first, below)
	}
	if start == nowhere {
		return Range{}, false
	}
	return Range{uint16(start), uint16(start + count - 1)}, true
}

// nowhere is the start of no run.
const nowhere = -1

// A finder looks for the start of a free run.
type finder struct {
	count int
	align int // 1 or more
	set   *PortSet
	avoid []*PortSet
}

// even reports whether only even ports can begin the run.
func (f *finder) even() bool { return f.align%2 == 0 }

// alignUp returns the lowest multiple of align that is not below port.
func (f *finder) alignUp(port int) int { return port + (f.align-port%f.align)%f.align }

// maxLeaps is how many unfit runs a search leaps over before it goes on word by word, which takes
// as long as some hundred leaps.
const maxLeaps = 64

// find returns the lowest start of a run from first to last that is free in all sets. Wherever a
// set has a port in the way it leaps to that set's next free run that is long enough.
func (f *finder) find(first, last int) int {
	start := first
	for range maxLeaps {
		start = f.alignUp(start)
		end := start + f.count - 1
		if end > last {
			return nowhere
		}
		set, port := f.obstacle(uint16(start), uint16(end))
		if set == nil {
			return start
		}
		start = set.free.runAfter(&set.ports, port, f.count, f.even())
		if start == nowhere {
			return nowhere
		}
	}
	return f.scan(start, last)
}

// obstacle returns a set that has a port from first to last, and the lowest such port of it.
func (f *finder) obstacle(first, last uint16) (*PortSet, uint16) {
	if port, found := f.set.ports.firstSet(first, last); found {
		return f.set, port
	}
	for _, set := range f.avoid {
		if set == nil {
			continue
		}
		if port, found := set.ports.firstSet(first, last); found {
			return set, port
		}
	}
	return nil, 0
}

// scan does what find does, word by word.
func (f *finder) scan(first, last int) int {
	free := first // every port from here to the word is free
	for base := first / wordBits * wordBits; base <= last; base += wordBits {
		taken := f.taken(uint(base) / wordBits)
		if base < first {
			taken |= before(uint(first))
		}
		if last < base+wordBits-1 {
			taken |= after(uint(last))
		}
		if start := f.alignUp(free); start+f.count <= base+bits.TrailingZeros64(taken) {
			return start
		}
		if taken == 0 {
			continue
		}
		if starts := startsOf(taken, f.count); starts != 0 {
			if starts &= f.alignedBits(base); starts != 0 {
				return base + bits.TrailingZeros64(starts)
			}
		}
		free = base + wordBits - bits.LeadingZeros64(taken)
	}
	return nowhere
}

// taken returns the bits of word w that are taken in any set.
func (f *finder) taken(w uint) uint64 {
	taken := f.set.ports.taken(w)
	for _, set := range f.avoid {
		if set != nil {
			taken |= set.ports.word(w)
		}
	}
	return taken
}

// alignedBits returns the bits of the multiples of align in the word that begins at port base.
func (f *finder) alignedBits(base int) uint64 {
	var aligned uint64
	for port := f.alignUp(base); port < base+wordBits; port += f.align {
		aligned |= 1 << (port - base)
	}
	return aligned
}

// runAfter returns the lowest port above taken, which is a port of the set, from which count ports
// are free, or the lowest even one.
//
// It climbs from the word of taken to the root and asks the nodes to the right of the path, nearest
// first, whether the run fits into the free ports before them and in them, or into them alone.
func (t *runTree) runAfter(ports *bitmap, taken uint16, count int, even bool) int {
	w := uint(taken) / wordBits
	word := ports.word(w) | upTo(uint(taken))
	here, need := runOf(word), reachOf(count, even)
	if here.reach() >= need {
		return int(w)*wordBits + startOf(word, count, even)
	}
	before := usable(here.suffix(), even) // free ports right before end
	end := int(w+1) * wordBits
	width := wordBits
	for i := wordCount + w; i > 1; i, width = i/2, width*2 {
		if i%2 == 1 {
			continue
		}
		right := t.at(i + 1)
		if before+right.prefix() >= count {
			return end - before
		}
		if right.reach() >= need {
			return t.descend(ports, i+1, count, even)
		}
		if right.prefix() == width {
			before += width
		} else {
			before = usable(right.suffix(), even)
		}
		end += width
	}
	return nowhere
}

// usable returns how many ports at the end of a stretch a run may begin with that goes on after it.
// The stretch ends at an odd port, so an odd number of ports begins at an odd one.
func usable(suffix int, even bool) int {
	if even {
		return suffix &^ 1
	}
	return suffix
}

// descend returns the lowest port in the stretch of node i from which count ports of the stretch
// are free, or the lowest even one. There is one.
func (t *runTree) descend(ports *bitmap, i uint, count int, even bool) int {
	need := reachOf(count, even)
	for i < wordCount {
		left := t.at(2 * i)
		if left.reach() >= need {
			i = 2 * i
			continue
		}
		i = 2*i + 1
		before := usable(left.suffix(), even)
		if before+t.at(i).prefix() >= count {
			return startOfNode(i) - before
		}
	}
	w := i - wordCount
	return int(w)*wordBits + startOf(ports.taken(w), count, even)
}
