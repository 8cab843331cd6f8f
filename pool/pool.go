package pool

import (
	"iter"

	"github.com/google/btree"
)

// A Pool keeps the ports of one protocol: disjoint blocks with a value each, and, apart from them,
// the ports in use. A block may be out of use and a port in use outside of every block; a search
// avoids both. The zero Pool is empty and ready to use. A Pool must not be copied; use [Pool.Clone].
//
// "Is any port of this range in a block?" is answered by a bitmap, "who holds it?" by an index of the
// blocks by their ports, "which blocks, in order?" by a B-tree of them, and "where are count free
// ports?" by a [PortSet] of all that is taken. All of these always change together.
//
// Any number of callers may read a Pool while nobody changes it, and one of them may clone it. A clone
// is independent: it may be read while the original changes, and the other way round.
type Pool[V any] struct {
	tree   *btree.BTreeG[entry[V]] // nil until the first block
	index  index[V]                // the same blocks by each of their ports
	blocks bitmap                  // the ports of the blocks
	inUse  bitmap                  // the ports marked in use
	taken  PortSet                 // the ports of both
}

// An entry is a block and its value. Blocks are disjoint, so their first ports order them.
type entry[V any] struct {
	block Range
	value V
}

func precedes[V any](a, b entry[V]) bool { return a.block.first < b.block.first }

// degree is that of the B-tree. Among 8, 16, 32 and 64 it looks up about as fast as 64, while the
// first change after a clone copies nodes of half the size.
const degree = 32

// New returns an empty pool.
func New[V any]() *Pool[V] { return new(Pool[V]) }

// Insert adds the block r with the value v. It returns false and changes nothing if r is invalid or
// overlaps a block. Ports in use do not hinder it.
func (p *Pool[V]) Insert(r Range, v V) bool {
	if !r.IsValid() || p.Overlaps(r) {
		return false
	}
	if p.tree == nil {
		p.tree = btree.NewG(degree, precedes[V])
	}
	e := entry[V]{r, v}
	p.tree.ReplaceOrInsert(e)
	p.index.insert(e)
	p.blocks.fill(r)
	p.taken.Add(r)
	return true
}

// Delete removes the block of exactly r and returns its value, and whether there was one.
func (p *Pool[V]) Delete(r Range) (V, bool) {
	value, found := p.Get(r)
	if !found {
		return value, false
	}
	p.tree.Delete(entry[V]{block: r})
	p.index.delete(r.first)
	p.blocks.empty(r)
	p.taken.Remove(r)
	if p.InUse(r) {
		p.inUse.rangesSet(r, func(used Range) bool {
			p.taken.Add(used)
			return true
		})
	}
	return value, true
}

// Get returns the value of the block of exactly r, and whether there is one.
func (p *Pool[V]) Get(r Range) (V, bool) {
	if p.index.starts.overlaps(r.first, r.first) {
		if found := p.index.get(r.first); found.block == r {
			return found.value, true
		}
	}
	var none V
	return none, false
}

// At returns the block that port belongs to and its value, and whether there is one.
func (p *Pool[V]) At(port uint16) (Range, V, bool) {
	return p.FirstOverlap(RangeOf(port))
}

// Overlaps reports whether any port of r belongs to a block. It looks at a handful of words,
// whatever the width of r and the number of blocks, and allocates nothing.
func (p *Pool[V]) Overlaps(r Range) bool { return p.blocks.overlaps(r.first, r.last) }

// FirstOverlap returns the lowest block that has a port of r and its value, and whether there is
// one. Like Overlaps it looks at a handful of words and allocates nothing.
func (p *Pool[V]) FirstOverlap(r Range) (Range, V, bool) {
	port, found := p.blocks.firstSet(r.first, r.last)
	if !found {
		var none V
		return Range{}, none, false
	}
	e := p.index.at(port)
	return e.block, e.value, true
}

// Overlapping yields the blocks that have a port of r, with their values, in ascending order. The
// pool must not change meanwhile; iterate over a clone to change it.
func (p *Pool[V]) Overlapping(r Range) iter.Seq2[Range, V] {
	return func(yield func(Range, V) bool) { p.overlapping(r, yield) }
}

func (p *Pool[V]) overlapping(r Range, yield func(Range, V) bool) {
	port, found := p.blocks.firstSet(r.first, r.last)
	if !found {
		return
	}
	p.tree.AscendGreaterOrEqual(entry[V]{block: p.index.at(port).block}, func(e entry[V]) bool {
		return e.block.first <= r.last && yield(e.block, e.value)
	})
}

// All yields all blocks with their values in ascending order. The pool must not change meanwhile.
func (p *Pool[V]) All() iter.Seq2[Range, V] { return p.Overlapping(AllPorts) }

// Gaps yields the maximal runs of ports of within that belong to no block, in ascending order. The
// pool must not change meanwhile.
func (p *Pool[V]) Gaps(within Range) iter.Seq[Range] {
	return func(yield func(Range) bool) { p.blocks.rangesClear(within, yield) }
}

// Len returns the number of blocks.
func (p *Pool[V]) Len() int {
	if p.tree == nil {
		return 0
	}
	return p.tree.Len()
}

// Clone returns an independent copy: the pool goes on changing while others read the copy, or the
// other way round. It takes about a microsecond whatever the pool holds, since both share what they
// hold until one of them changes it. Values are copied as they are: what a value points to is shared.
func (p *Pool[V]) Clone() *Pool[V] {
	p.index.share()
	p.blocks.share()
	p.inUse.share()
	p.taken.share()
	clone := new(Pool[V])
	*clone = *p
	if p.tree != nil {
		clone.tree = p.tree.Clone()
	}
	return clone
}

// MarkInUse marks the ports of r as in use. A mark has no owner: marking twice is marking once.
func (p *Pool[V]) MarkInUse(r Range) {
	if !r.IsValid() {
		return
	}
	p.inUse.fill(r)
	if _, free := p.taken.ports.firstClear(r.first, r.last); free { // not where a block covers r
		p.taken.Add(r)
	}
}

// ClearInUse takes the marks off the ports of r. Blocks stay.
func (p *Pool[V]) ClearInUse(r Range) {
	if !p.InUse(r) {
		return
	}
	p.inUse.empty(r)
	p.blocks.rangesClear(r, func(free Range) bool {
		p.taken.Remove(free)
		return true
	})
}

// InUse reports whether any port of r is marked as in use.
func (p *Pool[V]) InUse(r Range) bool { return p.inUse.overlaps(r.first, r.last) }

// RangesInUse yields the maximal runs of ports of within that are marked as in use, in ascending
// order. The pool must not change meanwhile.
func (p *Pool[V]) RangesInUse(within Range) iter.Seq[Range] {
	return func(yield func(Range) bool) { p.inUse.rangesSet(within, yield) }
}

// FindFree returns the first run of count ports that search allows, none of which belongs to a
// block or is marked as in use, and whether there is one. It is [PortSet.FindFree] of all that is taken.
func (p *Pool[V]) FindFree(count int, search Search) (Range, bool) {
	return p.taken.FindFree(count, search)
}
