package pool

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file has the slow and obvious counterparts that the tests compare with, and the checks of
// what must hold between the parts of a set and of a pool.

// slowSet is a set of ports without any idea.
type slowSet [MaxPort + 1]bool

func (s *slowSet) put(r Range, in bool) {
	for port := range r.Ports() {
		s[port] = in
	}
}

func (s *slowSet) overlaps(r Range) bool {
	for port := range r.Ports() {
		if s[port] {
			return true
		}
	}
	return false
}

// ranges returns the maximal runs within r of ports that are in the set, or of ports that are not.
func (s *slowSet) ranges(r Range, in bool) []Range {
	var found []Range
	first := 0
	for port := int(r.first); r.IsValid() && port <= int(r.last); port++ {
		if s[port] != in {
			first = 0
			continue
		}
		if first == 0 {
			first = port
		}
		if port == int(r.last) || s[port+1] != in {
			found = append(found, Range{uint16(first), uint16(port)})
		}
	}
	return found
}

// find tries all starts in the order that Search promises.
func (s *slowSet) find(count int, search Search) (Range, bool) {
	within := search.Within
	if within == (Range{}) {
		within = AllPorts
	}
	if count < 1 || search.Align < 0 {
		return Range{}, false
	}
	free := s.freeFrom(within, search.Avoid)
	try := func(first, last int) (Range, bool) {
		for start := first; start <= last; start++ {
			aligned := search.Align <= 1 || start%search.Align == 0
			if aligned && free[start] >= count {
				return Range{uint16(start), uint16(start + count - 1)}, true
			}
		}
		return Range{}, false
	}
	from := max(int(within.first), int(search.From))
	if found, ok := try(from, int(within.last)); ok {
		return found, true
	}
	return try(int(within.first), min(from-1, int(within.last)))
}

// freeFrom returns for each port of within how many ports of within are free from it on.
func (s *slowSet) freeFrom(within Range, avoid []*PortSet) *[MaxPort + 2]int {
	free := new([MaxPort + 2]int)
	for port := int(within.last); port >= int(within.first); port-- {
		taken := s[port]
		for _, set := range avoid {
			taken = taken || set != nil && set.Contains(uint16(port))
		}
		if !taken {
			free[port] = free[port+1] + 1
		}
	}
	return free
}

// slowPool is a list of blocks and a slowSet of ports in use.
type slowPool struct {
	blocks []entry[int]
	inUse  slowSet
}

func (p *slowPool) overlapping(r Range) []entry[int] {
	var found []entry[int]
	for _, e := range p.blocks {
		if e.block.Overlaps(r) {
			found = append(found, e)
		}
	}
	return found
}

func (p *slowPool) insert(r Range, value int) bool {
	if !r.IsValid() || len(p.overlapping(r)) > 0 {
		return false
	}
	place := 0
	for place < len(p.blocks) && p.blocks[place].block.last < r.first {
		place++
	}
	p.blocks = slices.Insert(p.blocks, place, entry[int]{r, value})
	return true
}

func (p *slowPool) get(r Range) (int, bool) {
	for _, e := range p.blocks {
		if e.block == r {
			return e.value, true
		}
	}
	return 0, false
}

func (p *slowPool) delete(r Range) (int, bool) {
	value, found := p.get(r)
	p.blocks = slices.DeleteFunc(p.blocks, func(e entry[int]) bool { return e.block == r })
	return value, found
}

func (p *slowPool) ports() *slowSet {
	set := new(slowSet)
	for _, e := range p.blocks {
		set.put(e.block, true)
	}
	return set
}

func (p *slowPool) taken() *slowSet {
	set := p.ports()
	for port, used := range p.inUse {
		set[port] = set[port] || used
	}
	return set
}

func (p *slowPool) clone() *slowPool {
	return &slowPool{blocks: slices.Clone(p.blocks), inUse: p.inUse}
}

// checkBitmap fails unless the summaries and the length are those of the words.
func checkBitmap(t require.TestingT, b *bitmap) {
	length := 0
	for w := range uint(wordCount) {
		length += bits.OnesCount64(b.word(w))
		summarised := b.summary[w/pageWords]>>(w%pageWords)&1 != 0
		if summarised != (b.word(w) != 0) {
			require.Failf(t, "the summary is wrong", "word %d is %#x", w, b.word(w))
		}
	}
	for p := range pageCount {
		require.Equal(t, b.summary[p] != 0, b.nonEmpty>>p&1 != 0, "page %d", p)
	}
	require.Equal(t, length, b.length)
	require.Zero(t, b.word(0)&1, "port 0 is in the set")
}

// slowRun computes the run of a stretch of ports port by port.
func slowRun(taken *[MaxPort + 1]bool, first, width int) run {
	prefix, longest, longestEven := 0, 0, 0
	length, even := 0, 0
	for port := first; port < first+width; port++ {
		if taken[port] {
			length, even = 0, 0
			continue
		}
		length++
		if even > 0 || port%2 == 0 {
			even++
		}
		if length == port-first+1 {
			prefix = length
		}
		longest, longestEven = max(longest, length), max(longestEven, even)
	}
	return newRun(prefix, length, longest+longestEven)
}

// nodeAt returns node i of the whole tree: 1 is the root, the children of i are 2i and 2i+1, and the
// leaves, wordCount and up, are the words.
func (t *runTree) nodeAt(i uint) run {
	if i < 2*pageCount {
		return t.top[i]
	}
	below := bits.Len(i) - bits.Len(pageCount) // levels below the root of the page
	return t.page(i>>below - pageCount)[1<<below+i&(1<<below-1)]
}

// startOfNode returns the first port of the stretch of node i of the whole tree.
func startOfNode(i uint) int {
	depth := bits.Len(i) - 1
	return int(i-1<<depth) << (16 - depth)
}

// checkPortSet fails unless the summaries and every node of the tree are those of the ports.
func checkPortSet(t require.TestingT, s *PortSet) {
	checkBitmap(t, &s.ports)
	if s.ports.length == 0 {
		return // the tree is not looked at
	}
	var taken [MaxPort + 1]bool
	var below [MaxPort + 2]int // taken ports below a port
	for port := range taken {
		taken[port] = port == 0 || s.Contains(uint16(port))
		below[port+1] = below[port]
		if taken[port] {
			below[port+1]++
		}
	}
	for i := uint(1); i < 2*wordCount; i++ {
		first := startOfNode(i)
		width := len(taken)
		for j := i; j > 1; j /= 2 {
			width /= 2
		}
		var want run
		switch below[first+width] - below[first] {
		case 0:
			want = newRun(width, width, 2*width)
		case width:
			want = newRun(0, 0, 0)
		default:
			want = slowRun(&taken, first, width)
		}
		if got := s.free.nodeAt(i); got != want {
			require.Failf(t, "the tree is wrong", "node %d, ports %d+%d: got %#x, want %#x", i, first, width, got, want)
		}
	}
}

// checkPool fails unless the blocks are disjoint and in order, and the B-tree, the bitmaps and the
// set of taken ports agree. Tests of pools call it at their end.
func checkPool[V any](t require.TestingT, p *Pool[V]) {
	var blocks PortSet
	count, last := 0, 0
	if p.tree != nil {
		p.tree.Ascend(func(e entry[V]) bool {
			if int(e.block.first) <= last || e.block.last < e.block.first {
				require.Failf(t, "blocks overlap or are out of order", "%s after port %d", e.block, last)
			}
			if !p.index.starts.overlaps(e.block.first, e.block.first) || p.index.get(e.block.first).block != e.block {
				require.Failf(t, "a block is not in the index", "%s", e.block)
			}
			last = int(e.block.last)
			count++
			blocks.Add(e.block)
			return true
		})
	}
	require.Equal(t, count, p.Len())
	for w := range uint(wordCount) {
		if p.blocks.word(w) != blocks.ports.word(w) {
			require.Failf(t, "the bitmap of blocks is wrong", "word %d", w)
		}
		if p.taken.ports.word(w) != p.blocks.word(w)|p.inUse.word(w) {
			require.Failf(t, "the ports taken are not those of blocks and marks", "word %d", w)
		}
	}
	checkBitmap(t, &p.blocks)
	checkBitmap(t, &p.inUse)
	checkBitmap(t, &p.index.starts)
	require.Equal(t, count, p.index.starts.length)
	checkPortSet(t, &p.taken)
}

// newPool returns a pool that is checked at the end of the test.
func newPool(t testing.TB) *Pool[int] {
	p := New[int]()
	t.Cleanup(func() { checkPool(t, p) })
	return p
}

// newPortSet returns a set of the ranges that is checked at the end of the test.
func newPortSet(t testing.TB, ranges ...Range) *PortSet {
	s := new(PortSet)
	for _, r := range ranges {
		s.Add(r)
	}
	t.Cleanup(func() { checkPortSet(t, s) })
	return s
}
