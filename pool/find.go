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

// alignUp returns the lowest multiple of align that is not below port. A division takes longer than
// all the rest of a step, so the usual alignments go without.
func (f *finder) alignUp(port int) int {
	if f.align <= 2 {
		return port + port&(f.align-1)
	}
	align := uint32(f.align)
	return int((uint32(port) + align - 1) / align * align)
}

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
		switch {
		case start == nowhere, start+f.count-1 > last:
			return nowhere
		case f.align <= 2 && len(f.avoid) == 0: // the tree knows everything that counts
			return start
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
		if starts := startsOf(taken, f.count, f.even()); starts != 0 {
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
// first, whether the run begins before them or in them; then it descends into the one that says yes.
func (t *runTree) runAfter(ports *bitmap, taken uint16, count int, even bool) int {
	w := uint(taken) / wordBits
	word := ports.word(w) | upTo(uint(taken))
	if starts := startsOf(word, count, even); starts != 0 {
		return int(w)*wordBits + bits.TrailingZeros64(starts)
	}
	q := runQuery{count: count, need: reachOf(count, even), even: even}
	suffix := q.usable(bits.LeadingZeros64(word))
	number := w / pageWords
	nodes := t.page(number)[:]
	s := q.climb(nodes, stretch{node: pageWords + w%pageWords, first: int(w) * wordBits, width: wordBits}, suffix)
	if s.node == 0 {
		s = q.climb(t.top[:], stretch{node: pageCount + number, first: int(number) * pageBits, width: pageBits}, s.before)
		if s.node == 0 {
			return nowhere
		}
		var start int
		if start, s = q.descend(t.top[:], s, pageBits); start != nowhere {
			return start
		}
		nodes, s.node = t.page(uint(s.first) / pageBits)[:], 1
	}
	start, s := q.descend(nodes, s, wordBits)
	if start != nowhere {
		return start
	}
	return s.first + bits.TrailingZeros64(startsOf(ports.taken(uint(s.first)/wordBits), count, even))
}

// A runQuery is what a walk through the tree of free runs looks for.
type runQuery struct {
	count int
	need  int // the reach of a run that is long enough
	even  bool
}

// A stretch is where a walk is: a node, its ports, and how many before them a run may begin with.
type stretch struct {
	node         uint
	first, width int
	before       int
}

// usable returns how many ports at the end of a stretch a run may begin with that goes on after it.
// The stretch ends at an odd port, so an odd number of ports begins at an odd one.
func (q *runQuery) usable(suffix int) int {
	if q.even {
		return suffix &^ 1
	}
	return suffix
}

// climb goes up to the root from a node that ends with suffix usable ports. It returns the first
// node to the right of the path that the run ends in or lies in, or node 0 and the ports before it.
func (q *runQuery) climb(nodes []run, s stretch, suffix int) stretch {
	for ; s.node > 1; s.node, s.width = s.node/2, s.width*2 {
		if s.node%2 == 1 {
			s.first -= s.width
			continue
		}
		right := nodes[s.node+1]
		if suffix+right.prefix() >= q.count || right.reach() >= q.need {
			return stretch{node: s.node + 1, first: s.first + s.width, width: s.width, before: suffix}
		}
		if right.prefix() == s.width {
			suffix += s.width
		} else {
			suffix = q.usable(right.suffix())
		}
	}
	return stretch{before: suffix}
}

// descend goes down from a node that the run ends in or lies in, to nodes of a width. It returns the
// start of the run as soon as that is known, and otherwise nowhere and the node that the run lies in.
func (q *runQuery) descend(nodes []run, s stretch, width int) (int, stretch) {
	for s.before+nodes[s.node].prefix() < q.count {
		if s.width == width {
			return nowhere, s
		}
		s.node, s.width = 2*s.node, s.width/2
		if left := nodes[s.node]; left.reach() < q.need {
			s.node, s.first, s.before = s.node+1, s.first+s.width, q.usable(left.suffix())
		}
	}
	return s.first - s.before, s
}
