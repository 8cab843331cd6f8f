package pool

import "math/bits"

// A run tells about the free ports of a stretch of ports, of a word or of any number of words.
// Port 0 counts as taken, so every length fits 16 bits.
type run struct {
	prefix  uint16 // free ports at the start
	suffix  uint16 // free ports at the end
	longest uint16 // free ports in the longest run
	even    uint16 // free ports in the longest run that begins at an even port
}

// fit returns the longest run, or the longest one that begins at an even port.
func (r *run) fit(even bool) int {
	if even {
		return int(r.even)
	}
	return int(r.longest)
}

// tail returns the free ports at the end, or those from the first even port of them on.
func (r *run) tail(even bool) int {
	if even {
		return int(r.suffix &^ 1)
	}
	return int(r.suffix)
}

// join returns the run of two stretches of width ports each, the first of which begins at an even port.
func join(left, right run, width uint16) run {
	joined := run{
		prefix:  left.prefix,
		suffix:  right.suffix,
		longest: max(left.longest, right.longest, left.suffix+right.prefix),
		even:    max(left.even, right.even, left.suffix&^1+right.prefix),
	}
	if left.prefix == width {
		joined.prefix += right.prefix
	}
	if right.prefix == width {
		joined.suffix += left.suffix
	}
	return joined
}

// freeRun returns the run of width free ports, the first of which may be port 0.
func freeRun(width uint16, portZero bool) run {
	if portZero {
		return run{0, width - 1, width - 1, width - 2}
	}
	return run{width, width, width, width}
}

// evenBits are the bits of the even ports of a word.
const evenBits = 0x5555_5555_5555_5555

// runOf returns the run of a word whose set bits are taken.
func runOf(taken uint64) run {
	switch taken {
	case 0:
		return run{wordBits, wordBits, wordBits, wordBits}
	case ^uint64(0):
		return run{}
	}
	// Bit p of atLeast[k] is set where 2^k free ports follow from p on.
	var atLeast [6]uint64
	atLeast[0] = ^taken
	for k := range 5 {
		atLeast[k+1] = atLeast[k] & (atLeast[k] >> (1 << k))
	}
	return run{
		prefix:  uint16(bits.TrailingZeros64(taken)),
		suffix:  uint16(bits.LeadingZeros64(taken)),
		longest: longestFrom(^uint64(0), &atLeast),
		even:    longestFrom(evenBits, &atLeast),
	}
}

// longestFrom returns the length of the longest free run that begins at one of starts.
func longestFrom(starts uint64, atLeast *[6]uint64) uint16 {
	var length uint16
	for k := 5; k >= 0; k-- {
		if longer := starts & (atLeast[k] >> length); longer != 0 {
			starts = longer
			length += 1 << k
		}
	}
	return length
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
		t.joinTop(i)
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

// update repairs the nodes above the ports of r.
func (t *runTree) update(ports *bitmap, r Range) {
	for number, last := pagesOf(r); number <= last; number++ {
		if ports.pages[number] == nil {
			continue // nothing was ever set here
		}
		nodes, span := t.writable(number), spanOf(r, number)
		first, last := (pageWords+span.first)/2, (pageWords+span.last)/2
		for i := first; i <= last; i++ {
			w := number*pageWords + 2*i - pageWords
			nodes[i%pageWords] = join(runOf(ports.taken(w)), runOf(ports.taken(w+1)), wordBits)
		}
		width := uint16(2 * wordBits)
		for first, last = first/2, last/2; first > 0; first, last = first/2, last/2 {
			for i := first; i <= last; i++ {
				nodes[i%pageWords] = join(nodes[2*i%pageWords], nodes[(2*i+1)%pageWords], width)
			}
			width *= 2
		}
		t.top[pageCount+number] = nodes[1]
	}
	first, last := (pageCount+int(r.first)/pageBits)/2, (pageCount+int(r.last)/pageBits)/2
	for ; first > 0; first, last = first/2, last/2 {
		for i := first; i <= last; i++ {
			t.joinTop(i)
		}
	}
}

func (t *runTree) joinTop(i int) {
	depth := bits.Len(uint(i)) // 1 for the root, whose children are half of all ports wide
	t.top[i] = join(t.top[2*i], t.top[2*i+1], uint16(1<<(16-depth)))
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

// share gives up all pages and returns a tree with the same ones.
func (t *runTree) share() runTree {
	t.owned = 0
	return *t
}
