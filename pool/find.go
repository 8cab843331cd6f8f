package pool

// FindFree returns the first run of count ports, none of which is in the set, that search allows,
// and whether there is one. The whole run lies in search.Within and begins at a multiple of
// search.Align. Runs that begin at search.From or above come first, lowest first; then those that
// begin below it, which may reach over it. A port in one of the sets of search.Avoid counts as
// taken; nil sets count as empty. The answer is exact: false means that no such run exists.
//
// A count below 1, a count above 65,535 and a negative Align find nothing.
//
// With an Align of 0, 1 or 2 and nothing to avoid the search visits at most three paths of the
// 10 levels of the tree, whatever the set holds. Otherwise it visits them once for each free run
// that is long enough but holds no aligned start or touches a port to avoid: in the worst case,
// where all free runs are such, there are 65,535/(count+1) of them, and never more than
// 65,535/Align with nothing to avoid.
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
	start := max(first, int(search.From))
	if found := query.find(start, last); found != nowhere {
		return Range{uint16(found), uint16(found + count - 1)}, true
	}
	last = min(last, start-1+count-1) // so the run begins below start
	if found := query.find(first, last); found != nowhere {
		return Range{uint16(found), uint16(found + count - 1)}, true
	}
	return Range{}, false
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

// find returns the lowest start of a run from first to last that is free in all sets.
func (f *finder) find(first, last int) int {
	start := f.findIn(f.set, first, last)
	for agreed := false; !agreed && start != nowhere; {
		agreed = true
		for _, avoid := range f.avoid {
			if avoid == nil {
				continue
			}
			next := f.findIn(avoid, start, last)
			if next == start {
				continue
			}
			if next == nowhere {
				return nowhere
			}
			start, agreed = f.findIn(f.set, next, last), false
			if start == nowhere {
				return nowhere
			}
		}
	}
	return start
}

// findIn returns the lowest start of a run from first to last that is free in one set.
func (f *finder) findIn(set *PortSet, first, last int) int {
	start := first
	for {
		start += (f.align - start%f.align) % f.align
		end := start + f.count - 1
		if end > last {
			return nowhere
		}
		taken, found := set.ports.firstSet(uint16(start), uint16(end))
		if !found {
			return start
		}
		start = set.free.runAfter(&set.ports, taken, f.count, f.even())
		if start == nowhere {
			return nowhere
		}
	}
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
