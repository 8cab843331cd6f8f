package cores

import (
	"github.com/berthkit/berth/pool"
)

// A gap is a search for free ports by walking blocks in order: the only way in a tree that knows
// where blocks are and not where they are not.
type gap struct {
	count, align int
	next         int // the lowest first port that is still possible
	last         int // of the ports that may be used
}

func newGap(count int, within pool.Range, align int) *gap {
	return &gap{count: count, align: align, next: alignUp(int(within.First()), align), last: int(within.Last())}
}

// pass takes the next block in order and reports whether the walk must go on.
func (g *gap) pass(block pool.Range) bool {
	if int(block.First())-g.next >= g.count {
		return false
	}
	if int(block.Last()) >= g.next {
		g.next = alignUp(int(block.Last())+1, g.align)
	}
	return g.next+g.count-1 <= g.last
}

// found returns the free ports once the walk has stopped or has come to the end of the blocks.
func (g *gap) found() (pool.Range, bool) {
	return rangeAt(g.next, g.count, g.last)
}

// rangeAt returns the range of count ports from first on, unless it runs past last.
func rangeAt(first, count, last int) (pool.Range, bool) {
	if count < 1 || first+count-1 > last {
		return pool.Range{}, false
	}
	r, err := pool.RangeFrom(uint16(first), count)
	return r, err == nil
}

func alignUp(port, align int) int {
	return (port + align - 1) / align * align
}
