package poolbench

import (
	"math/bits"

	"github.com/berthkit/berth/pool"
)

const (
	wordBits  = 64
	wordCount = (pool.MaxPort + 1) / wordBits
)

// Bitmap returns a core of 1,024 words and nothing else: what one writes in twenty lines, and the
// bar for everybody who asks "is any port taken?". It cannot say who.
func Bitmap() Core { return new(bitmap) }

type bitmap [wordCount]uint64

func (c *bitmap) Insert(r pool.Range) {
	for w, mask := range masks(r) {
		c[w] |= mask
	}
}

func (c *bitmap) Delete(r pool.Range) {
	for w, mask := range masks(r) {
		c[w] &^= mask
	}
}

// masks yields the words that r touches and its bits in each.
func masks(r pool.Range) func(yield func(uint16, uint64) bool) {
	return func(yield func(uint16, uint64) bool) {
		mask := ^uint64(0) << (r.First() % wordBits)
		last := r.Last() / wordBits
		for w := r.First() / wordBits; w < last; w++ {
			if !yield(w, mask) {
				return
			}
			mask = ^uint64(0)
		}
		yield(last, mask&(^uint64(0)>>(wordBits-1-r.Last()%wordBits)))
	}
}

// Overlaps is written out, since it is what everybody is compared with.
func (c *bitmap) Overlaps(r pool.Range) bool {
	first, last := r.First()/wordBits, r.Last()/wordBits
	mask := ^uint64(0) << (r.First() % wordBits)
	for w := first; w < last; w++ {
		if c[w]&mask != 0 {
			return true
		}
		mask = ^uint64(0)
	}
	return c[last]&mask&(^uint64(0)>>(wordBits-1-r.Last()%wordBits)) != 0
}

func (c *bitmap) Clone() Core {
	clone := *c
	return &clone
}

// FindFree goes from run to run, a word at a time.
func (c *bitmap) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	start := int(within.First())
	for {
		start = (start + align - 1) / align * align
		if start+count-1 > int(within.Last()) {
			return pool.Range{}, false
		}
		taken := c.next(start, 0)
		if taken >= start+count {
			return span(start, count), true
		}
		start = c.next(taken, ^uint64(0))
	}
}

// next returns the first port from start on whose bit is set after the words are xored with flip.
func (c *bitmap) next(start int, flip uint64) int {
	for port := start; port <= pool.MaxPort; port = (port/wordBits + 1) * wordBits {
		if x := (c[port/wordBits] ^ flip) >> (port % wordBits); x != 0 {
			return port + bits.TrailingZeros64(x)
		}
	}
	return pool.MaxPort + 1
}
