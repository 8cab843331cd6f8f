package cores

import (
	googlebtree "github.com/google/btree"
	tidwallbtree "github.com/tidwall/btree"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// Blocks are disjoint, so in a tree ordered by first port the one that starts last at or before the
// end of a range is the only one that can tell whether any overlaps it.

func precedes(a, b pool.Range) bool { return a.First() < b.First() }

// googleDegree is the degree that the benchmarks of google/btree use.
const googleDegree = 32

type google struct {
	tree *googlebtree.BTreeG[pool.Range]
}

func newGoogle() poolbench.Core {
	return &google{googlebtree.NewG(googleDegree, precedes)}
}

func (c *google) Insert(r pool.Range) { c.tree.ReplaceOrInsert(r) }
func (c *google) Delete(r pool.Range) { c.tree.Delete(r) }

func (c *google) Overlaps(r pool.Range) bool {
	_, overlaps := c.Who(r)
	return overlaps
}

func (c *google) Who(r pool.Range) (pool.Range, bool) {
	block, ok := c.upTo(r.Last())
	return block, ok && block.Last() >= r.First()
}

// upTo returns the block that starts last at or before port.
func (c *google) upTo(port uint16) (block pool.Range, ok bool) {
	c.tree.DescendLessOrEqual(pool.RangeOf(port), func(b pool.Range) bool {
		block, ok = b, true
		return false
	})
	return block, ok
}

func (c *google) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := newGap(count, within, align)
	if before, ok := c.upTo(within.First()); !ok || search.pass(before) {
		c.tree.AscendGreaterOrEqual(pool.RangeOf(within.First()), search.pass)
	}
	return search.found()
}

func (c *google) Clone() poolbench.Core { return &google{c.tree.Clone()} }

type tidwall struct {
	tree *tidwallbtree.BTreeG[pool.Range]
}

func newTidwall() poolbench.Core {
	return &tidwall{tidwallbtree.NewBTreeGOptions(precedes, tidwallbtree.Options{NoLocks: true})}
}

func (c *tidwall) Insert(r pool.Range) { c.tree.Set(r) }
func (c *tidwall) Delete(r pool.Range) { c.tree.Delete(r) }

func (c *tidwall) Overlaps(r pool.Range) bool {
	_, overlaps := c.Who(r)
	return overlaps
}

func (c *tidwall) Who(r pool.Range) (pool.Range, bool) {
	block, ok := c.upTo(r.Last())
	return block, ok && block.Last() >= r.First()
}

func (c *tidwall) upTo(port uint16) (block pool.Range, ok bool) {
	c.tree.Descend(pool.RangeOf(port), func(b pool.Range) bool {
		block, ok = b, true
		return false
	})
	return block, ok
}

func (c *tidwall) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := newGap(count, within, align)
	if before, ok := c.upTo(within.First()); !ok || search.pass(before) {
		c.tree.Ascend(pool.RangeOf(within.First()), search.pass)
	}
	return search.found()
}

func (c *tidwall) Clone() poolbench.Core { return &tidwall{c.tree.IsoCopy()} }
