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

// FindFree goes from word to word, and into one only if the run may fit inside.
func (c *bitmap) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	first, last := int(within.First()), int(within.Last())
	start := first // every port from here to the word is free
	for base := first &^ (wordBits - 1); base <= last; base += wordBits {
		taken := c[base/wordBits]
		if base < first {
			taken |= 1<<(first-base) - 1
		}
		if taken == 0 {
			continue
		}
		if end := min(base+bits.TrailingZeros64(taken), last+1); end-start >= count {
			if found := alignUp(start, align); end-found >= count {
				return span(found, count), true
			}
		}
		for starts := startsOf(taken, count); starts != 0; starts &= starts - 1 {
			if found := base + bits.TrailingZeros64(starts); found%align == 0 && found+count-1 <= last {
				return span(found, count), true
			}
		}
		start = base + wordBits - bits.LeadingZeros64(taken)
	}
	if found := alignUp(start, align); found+count-1 <= last {
		return span(found, count), true
	}
	return pool.Range{}, false
}

// startsOf returns the bits of a word, not all free, from which count bits on are free.
func startsOf(taken uint64, count int) uint64 {
	if count >= wordBits {
		return 0
	}
	starts := ^taken
	for have := 1; have < count && starts != 0; {
		more := min(have, count-have)
		starts &= starts >> more
		have += more
	}
	return starts
}

func alignUp(port, align int) int { return (port + align - 1) / align * align }
