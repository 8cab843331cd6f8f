package poolbench

import (
	"maps"
	"slices"

	"github.com/berthkit/berth/pool"
)

// An oracle is a core without any idea, so that it is right: whether each port is taken, and a list
// of the blocks.
type oracle struct {
	taken  [pool.MaxPort + 1]bool
	blocks []pool.Range // in no order
	index  map[pool.Range]int
}

func newOracle() *oracle { return &oracle{index: map[pool.Range]int{}} }

func (o *oracle) clone() *oracle {
	return &oracle{taken: o.taken, blocks: slices.Clone(o.blocks), index: maps.Clone(o.index)}
}

func (o *oracle) insert(r pool.Range) {
	o.index[r] = len(o.blocks)
	o.blocks = append(o.blocks, r)
	o.mark(r, true)
}

func (o *oracle) delete(r pool.Range) {
	hole, last := o.index[r], o.blocks[len(o.blocks)-1]
	o.blocks[hole], o.index[last] = last, hole
	o.blocks = o.blocks[:len(o.blocks)-1]
	delete(o.index, r)
	o.mark(r, false)
}

func (o *oracle) mark(r pool.Range, taken bool) {
	for port := int(r.First()); port <= int(r.Last()); port++ {
		o.taken[port] = taken
	}
}

// has reports whether r is a block.
func (o *oracle) has(r pool.Range) bool {
	_, found := o.index[r]
	return found
}

func (o *oracle) overlaps(r pool.Range) bool {
	return slices.Contains(o.taken[r.First():int(r.Last())+1], true)
}

// findFree counts free ports in a row.
func (o *oracle) findFree(count int, within pool.Range, align int) (pool.Range, bool) {
	free := 0
	for port := int(within.First()); port <= int(within.Last()); port++ {
		free++
		if o.taken[port] {
			free = 0
		}
		if first := port - count + 1; free >= count && first%align == 0 {
			return span(first, count), true
		}
	}
	return pool.Range{}, false
}
