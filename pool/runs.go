package pool

import "math/bits"

// A run tells about the free ports of a stretch of ports: of a word, or of any number of words. It
// is four lengths of 16 bits, packed so that a node is read, compared and written at once. Port 0
// counts as taken, so even the length of all ports fits.
type run uint64

func newRun(prefix, suffix, longest, even uint16) run {
	return run(prefix) | run(suffix)<<16 | run(longest)<<32 | run(even)<<48
}

func (r run) prefix() uint16  { return uint16(r) }       // free ports at the start
func (r run) suffix() uint16  { return uint16(r >> 16) } // free ports at the end
func (r run) longest() uint16 { return uint16(r >> 32) } // free ports in the longest run
func (r run) even() uint16    { return uint16(r >> 48) } // free ports in the longest run that begins at an even port

// fit returns the longest run, or the longest one that begins at an even port.
func (r run) fit(even bool) int {
	if even {
		return int(r.even())
	}
	return int(r.longest())
}

// tail returns the free ports at the end, or those from the first even port of them on.
func (r run) tail(even bool) int {
	if even {
		return int(r.suffix() &^ 1)
	}
	return int(r.suffix())
}

// set stores another run and reports whether that changed anything.
func (r *run) set(other run) bool {
	changed := *r != other
	*r = other
	return changed
}

// join returns the run of two stretches of width ports each, the first of which begins at an even port.
func join(left, right run, width uint16) run {
	prefix, suffix := left.prefix(), right.suffix()
	if prefix == width {
		prefix += right.prefix()
	}
	if suffix == width {
		suffix += left.suffix()
	}
	longest := max(left.longest(), right.longest(), left.suffix()+right.prefix())
	even := max(left.even(), right.even(), left.suffix()&^1+right.prefix())
	return newRun(prefix, suffix, longest, even)
}

// freeRun returns the run of width free ports, the first of which may be port 0.
func freeRun(width uint16, portZero bool) run {
	if portZero {
		return newRun(0, width-1, width-1, width-2)
	}
	return newRun(width, width, width, width)
}

// evenBits are the bits of the even ports of a word.
const evenBits = 0x5555_5555_5555_5555

// runOf returns the run of a word whose set bits are taken.
func runOf(taken uint64) run {
	switch taken {
	case 0:
		return freeRun(wordBits, false)
	case ^uint64(0):
		return 0
	}
	// Bit p of atLeast[k] is set where 2^k free ports follow from p on.
	var atLeast [6]uint64
	top := 0
	for x := ^taken; x != 0; top++ {
		atLeast[top] = x
		x &= x >> (1 << top)
	}
	starts, longest := ^uint64(0), uint16(0)
	for k := top - 1; k >= 0; k-- {
		if longer := starts & (atLeast[k] >> longest); longer != 0 {
			starts = longer
			longest += 1 << k
		}
	}
	even := longest
	if starts&evenBits == 0 {
		even-- // every longest run begins at an odd port; without that port it is the longest that does not
	}
	return newRun(uint16(bits.TrailingZeros64(taken)), uint16(bits.LeadingZeros64(taken)), longest, even)
}

// startOf returns the lowest bit of a word from which count bits are free, or the lowest even one.
// There is one.
func startOf(taken uint64, count int, even bool) int {
	starts := ^taken
	for have := 1; have < count; {
		step := min(have, count-have)
		starts &= starts >> step
		have += step
	}
	if even {
		starts &= evenBits
	}
	return bits.TrailingZeros64(starts)
}

// A runTree is a binary tree of runs over the words of a bitmap, cut in two: a page of nodes for
// each page of words, and the nodes above. The nodes of a part lie as in a heap: the children of
// node i are 2i and 2i+1. The zero runTree must be reset before use.
//
// Like bitmaps, clones share pages of nodes until one of them changes.
type runTree struct {
	pages [pageCount]*runPage
	top   [2 * pageCount]run // 1 is the root; pageCount+p is the run of page p
	owned uint16             // bit p: nobody else points to pages[p]; only writers look at it
}

// A runPage holds the inner nodes above the words of a page; its leaves, pageWords and up, are not
// kept but computed from the words. A nil page means that all its ports are free.
type runPage [pageWords]run

// reset makes all ports free.
func (t *runTree) reset() {
	*t = runTree{}
	for p := range pageCount {
		t.top[pageCount+p] = freeRun(pageBits, p == 0)
	}
	for i := pageCount - 1; i > 0; i-- {
		depth := bits.Len(uint(i)) - 1
		t.top[i] = join(t.top[2*i], t.top[2*i+1], uint16(1<<(15-depth)))
	}
}

// at returns node i of the whole tree: the root is 1, the children of i are 2i and 2i+1, and the
// leaves, wordCount and up, are the words.
func (t *runTree) at(ports *bitmap, i uint) run {
	switch {
	case i < 2*pageCount:
		return t.top[i]
	case i >= wordCount:
		return runOf(ports.taken(i - wordCount))
	}
	below := bits.Len(i) - bits.Len(pageCount) // levels below the root of the page
	number, offset := i>>below-pageCount, i&(1<<below-1)
	if p := t.pages[number%pageCount]; p != nil {
		return p[(1<<below+offset)%pageWords]
	}
	return freeRun(pageBits>>below, number|offset == 0)
}

// startOfNode returns the first port of the stretch of node i of the whole tree.
func startOfNode(i uint) int {
	depth := bits.Len(i) - 1
	return int(i-1<<depth) << (16 - depth)
}

// update repairs the nodes above the ports of r. It stops climbing where nothing changes any more,
// which among many blocks is soon: a run that ends or begins there is seldom the longest around.
func (t *runTree) update(ports *bitmap, r Range) {
	changed := false
	firstPage, lastPage := pagesOf(r)
	for number := firstPage; number <= lastPage; number++ {
		if ports.owned&(1<<number) != 0 { // else nothing has changed here
			changed = t.updatePage(ports, number, spanOf(r, number)) || changed
		}
	}
	first, last := (pageCount+firstPage)/2, (pageCount+lastPage)/2
	for width := uint16(pageBits); changed && first > 0; first, last, width = first/2, last/2, width*2 {
		changed = false
		for i := first; i <= last; i++ {
			changed = t.top[i].set(join(t.top[2*i], t.top[2*i+1], width)) || changed
		}
	}
}

// updatePage repairs the nodes above part, a part of a page, and reports whether the page's root changed.
func (t *runTree) updatePage(ports *bitmap, number uint, part span) bool {
	nodes, changed := t.writable(number), false
	first, last := (pageWords+part.first)/2, (pageWords+part.last)/2
	for i := first; i <= last; i++ {
		w := number*pageWords + 2*i - pageWords
		joined := join(runOf(ports.taken(w)), runOf(ports.taken(w+1)), wordBits)
		changed = nodes[i%pageWords].set(joined) || changed
	}
	first, last = first/2, last/2
	for width := uint16(2 * wordBits); changed && first > 0; first, last, width = first/2, last/2, width*2 {
		changed = false
		for i := first; i <= last; i++ {
			joined := join(nodes[2*i%pageWords], nodes[(2*i+1)%pageWords], width)
			changed = nodes[i%pageWords].set(joined) || changed
		}
	}
	return changed && t.top[pageCount+number].set(nodes[1])
}

// writable returns a page of nodes that nobody else points to.
func (t *runTree) writable(number uint) *runPage {
	if t.owned&(1<<number) == 0 {
		p := new(runPage)
		if shared := t.pages[number]; shared != nil {
			*p = *shared
		} else {
			for i := 1; i < pageWords; i++ {
				depth := bits.Len(uint(i)) - 1
				p[i] = freeRun(pageBits>>depth, number == 0 && i == 1<<depth)
			}
		}
		t.pages[number] = p
		t.owned |= 1 << number
	}
	return t.pages[number]
}

// share gives up all pages, so that a copy of the struct becomes a clone.
func (t *runTree) share() { t.owned = 0 }
