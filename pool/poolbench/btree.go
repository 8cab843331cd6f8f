package poolbench

import (
	"github.com/google/btree"

	"github.com/berthkit/berth/pool"
)

// BTree returns a core on google/btree alone, of the degree that [pool.Pool] has, keyed by first port:
// what remains of Berth's pool without its bitmap and its tree of free runs.
func BTree() Core {
	const degree = 32
	return &bTree{btree.NewG(degree, func(a, b entry) bool { return a.block.First() < b.block.First() })}
}

type bTree struct{ tree *btree.BTreeG[entry] }

// An entry is a block and its value.
type entry struct {
	block pool.Range
	owner owner
}

// from is the key of what begins at port.
func from(port uint16) entry { return entry{block: pool.RangeOf(port)} }

func (c *bTree) Insert(r pool.Range) { c.tree.ReplaceOrInsert(entry{r, owner(r.First())}) }
func (c *bTree) Delete(r pool.Range) { c.tree.Delete(from(r.First())) }
func (c *bTree) Clone() Core         { return &bTree{c.tree.Clone()} }

func (c *bTree) Overlaps(r pool.Range) bool {
	_, found := c.Who(r)
	return found
}

// Who looks at the last block that begins in r or before it: no other can reach further.
func (c *bTree) Who(r pool.Range) (block pool.Range, ok bool) {
	c.tree.DescendLessOrEqual(from(r.Last()), func(e entry) bool {
		block, ok = e.block, e.block.Last() >= r.First()
		return false
	})
	if !ok {
		return pool.Range{}, false
	}
	return block, true
}

// FindFree walks over the blocks and tries each gap.
func (c *bTree) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := newGapSearch(count, within, align)
	search.from(c.before(within.First()))
	c.tree.AscendGreaterOrEqual(from(within.First()), func(e entry) bool { return search.next(e.block) })
	return search.result()
}

// before returns the last block that begins at port or before it, the zero Range if there is none.
func (c *bTree) before(port uint16) (block pool.Range) {
	c.tree.DescendLessOrEqual(from(port), func(e entry) bool {
		block = e.block
		return false
	})
	return block
}

// A gapSearch goes from block to block, in ascending order, and stops where the run fits between two.
type gapSearch struct {
	count, align int
	start        int // where the run would begin; every port from here to the next block is free
	last         int // where it may end
}

func newGapSearch(count int, within pool.Range, align int) *gapSearch {
	s := &gapSearch{count: count, align: align, start: int(within.First()), last: int(within.Last())}
	s.alignUp()
	return s
}

func (s *gapSearch) alignUp() { s.start = (s.start + s.align - 1) / s.align * s.align }

// from says which block may reach into the search from below; the zero Range does not.
func (s *gapSearch) from(block pool.Range) { s.skip(block) }

// next looks at the gap before a block and reports whether the search goes on behind it.
func (s *gapSearch) next(block pool.Range) bool {
	if s.start+s.count <= int(block.First()) || s.start+s.count-1 > s.last {
		return false
	}
	s.skip(block)
	return true
}

func (s *gapSearch) skip(block pool.Range) {
	if end := int(block.Last()) + 1; end > s.start {
		s.start = end
		s.alignUp()
	}
}

func (s *gapSearch) result() (pool.Range, bool) {
	if s.start+s.count-1 > s.last {
		return pool.Range{}, false
	}
	return span(s.start, s.count), true
}
