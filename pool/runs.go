package pool

import "math/bits"

// A run tells about the free ports of a stretch of ports: of a word, or of any number of words. It
// packs three numbers, so that a node is read, compared and written at once:
//
//	bits 0-15   prefix: how many ports are free at the start
//	bits 16-31  suffix: how many ports are free at the end
//	bits 32-48  reach: twice the length of the longest free run, less 1 if every run of that length
//	            begins at an odd port
//
// A run of n ports fits into a stretch if its reach is 2n-1 or more, and one that begins at an even
// port if it is 2n or more: a run that begins at an odd port loses one port then. Port 0 counts as
// taken, so that even the length of all ports fits 16 bits.
type run uint64

const (
	prefixBits run = 0xffff
	suffixBits run = 0xffff << 16
)

func newRun(prefix, suffix, reach int) run {
	return run(prefix) | run(suffix)<<16 | run(reach)<<32
}

func (r run) prefix() int { return int(r & prefixBits) }
func (r run) suffix() int { return int(r & suffixBits >> 16) }
func (r run) reach() int  { return int(r >> 32) }

// reachOf returns the reach that a run of count ports needs, or one that begins at an even port.
func reachOf(count int, even bool) int {
	if even {
		return 2 * count
	}
	return 2*count - 1
}

// set stores another run and reports whether that changed anything.
func (r *run) set(other run) bool {
	changed := *r != other
	*r = other
	return changed
}

// join returns the run of two stretches of width ports each, the first of which begins at an even port.
func join(left, right, width run) run {
	suffix := left & suffixBits >> 16
	across := 2*(suffix+right&prefixBits) - suffix&1
	joined := max(left>>32, right>>32, across)<<32 | left&prefixBits | right&suffixBits
	if left&prefixBits == width {
		joined += right & prefixBits
	}
	if right&suffixBits == width<<16 {
		joined += left & suffixBits
	}
	return joined
}

// freeRun returns the run of width free ports, the first of which may be port 0.
func freeRun(width int, portZero bool) run {
	if portZero {
		return newRun(0, width-1, 2*(width-1)-1)
	}
	return newRun(width, width, 2*width)
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
	starts, longest := ^uint64(0), 0
	for k := top - 1; k >= 0; k-- {
		if longer := starts & (atLeast[k] >> longest); longer != 0 {
			starts = longer
			longest += 1 << k
		}
	}
	return newRun(bits.TrailingZeros64(taken), bits.LeadingZeros64(taken), reachOf(longest, starts&evenBits != 0))
}

// startsOf returns the bits of a word from which count bits on are free, or the even ones of them.
func startsOf(taken uint64, count int, even bool) uint64 {
	if count > wordBits {
		return 0
	}
	starts := ^taken
	for have := 1; have < count && starts != 0; {
		step := min(have, count-have)
		starts &= starts >> step
		have += step
	}
	if even {
		starts &= evenBits
	}
	return starts
}

// A runTree is a binary tree of runs with the words of a bitmap as leaves, cut in two: a page of
// nodes for each page of words, and the nodes above. The nodes of each part lie as in a heap: 1 is
// the root, the children of i are 2i and 2i+1. The zero runTree must be reset before use.
//
// Like bitmaps, clones share pages of nodes until one of them changes.
type runTree struct {
	pages [pageCount]*runPage // nil: all ports are free
	top   [2 * pageCount]run  // leaf pageCount+p is the root of page p
	owned uint16              // bit p: nobody else points to pages[p]; only writers look at it
}

type runPage [2 * pageWords]run // leaf pageWords+w is the run of word w

// reset makes all ports free.
func (t *runTree) reset() {
	*t = runTree{}
	fillFree(t.top[:], wordCount*wordBits, true)
}

// fillFree makes all ports of a tree free, width of them, the first of which may be port 0.
func fillFree(nodes []run, width int, portZero bool) {
	for i := 1; i < len(nodes); i++ {
		depth := bits.Len(uint(i)) - 1
		leftmost := i == 1<<depth
		nodes[i] = freeRun(width>>depth, portZero && leftmost)
	}
}

// page returns the nodes of a page, to be read.
func (t *runTree) page(number uint) *runPage {
	switch p := t.pages[number%pageCount]; {
	case p != nil:
		return p
	case number == 0:
		return freePageZero
	}
	return freePage
}

// Pages whose ports are all free, the second with port 0, which never is. Nobody writes to them.
var freePage, freePageZero = newRunPage(false), newRunPage(true)

func newRunPage(portZero bool) *runPage {
	p := new(runPage)
	fillFree(p[:], pageBits, portZero)
	return p
}

// update repairs the leaves of the ports of r and the nodes above them.
func (t *runTree) update(ports *bitmap, r Range) {
	changed := false
	first, last := pagesOf(r)
	for number := first; number <= last; number++ {
		if ports.owned&(1<<number) == 0 {
			continue // nothing has changed here
		}
		nodes := t.writable(number)
		if updatePage(nodes, ports, number, spanOf(r, number)) {
			t.top[pageCount+number] = nodes[1]
			changed = true
		}
	}
	if changed {
		climb(t.top[:], pageCount+first, pageCount+last, pageBits)
	}
}

// updatePage repairs the leaves of a part of a page and the nodes above them. It reports whether
// the root of the page changed.
func updatePage(nodes *runPage, ports *bitmap, number uint, part span) bool {
	changed := false
	for w := part.first; w <= part.last; w++ {
		leaf := runOf(ports.taken(number*pageWords + w))
		changed = nodes[(pageWords+w)%(2*pageWords)].set(leaf) || changed
	}
	return changed && climb(nodes[:], pageWords+part.first, pageWords+part.last, wordBits)
}

// climb repairs the nodes above those from first to last, which are width ports wide each. It
// stops where nothing changes, which among many blocks is soon: a run that ends or begins there is
// seldom the longest around. It reports whether the root changed.
func climb(nodes []run, first, last uint, width run) bool {
	for ; first > 1; width *= 2 {
		first, last = first/2, last/2
		changed := false
		for i := first; i <= last; i++ {
			changed = nodes[i].set(join(nodes[2*i], nodes[2*i+1], width)) || changed
		}
		if !changed {
			return false
		}
	}
	return true
}

// writable returns a page of nodes that nobody else points to.
func (t *runTree) writable(number uint) *runPage {
	if t.owned&(1<<number) == 0 {
		p := *t.page(number)
		t.pages[number] = &p
		t.owned |= 1 << number
	}
	return t.pages[number]
}

// share gives up all pages, so that a copy of the struct becomes a clone.
func (t *runTree) share() { t.owned = 0 }
