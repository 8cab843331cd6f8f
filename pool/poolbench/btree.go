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
	search := gapSearch{count: count, align: align, start: int(within.First()), last: int(within.Last())}
	c.tree.DescendLessOrEqual(from(within.First()), func(e entry) bool {
		search.skip(e.block)
		return false
	})
	c.tree.AscendGreaterOrEqual(from(within.First()), func(e entry) bool {
		if search.fitsBefore(e.block) {
			return false
		}
		search.skip(e.block)
		return search.start <= search.last
	})
	return search.result()
}

// A gapSearch goes from block to block, in ascending order, and stops where the run fits between two.
type gapSearch struct {
	count, align int
	start        int // every port from here to the next block is free
	last         int // where the run may end
}

// fitsBefore reports whether the run fits between start and a block.
func (s *gapSearch) fitsBefore(block pool.Range) bool {
	end := int(block.First())
	return end-s.start >= s.count && end-alignUp(s.start, s.align) >= s.count
}

// skip goes on behind a block.
func (s *gapSearch) skip(block pool.Range) { s.start = max(s.start, int(block.Last())+1) }

// result returns the run that begins at start, if it may.
func (s *gapSearch) result() (pool.Range, bool) {
	first := alignUp(s.start, s.align)
	if first+s.count-1 > s.last {
		return pool.Range{}, false
	}
	return span(first, s.count), true
}
