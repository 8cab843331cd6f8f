package cores

import (
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/bits-and-blooms/bitset"
	"github.com/kelindar/bitmap"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

const ports = pool.MaxPort + 1

type bits struct {
	set *bitset.BitSet
}

func newBitset() poolbench.Core { return bits{bitset.New(ports)} }

func (c bits) Insert(r pool.Range) { c.set.SetRange(uint(r.First()), uint(r.Last())+1) }
func (c bits) Delete(r pool.Range) { c.set.FlipRange(uint(r.First()), uint(r.Last())+1) }

// Overlaps counts, which looks at the words of r alone. NextSet would go on behind r to the next
// taken port, which costs several hundred nanoseconds in a set that is nearly empty.
func (c bits) Overlaps(r pool.Range) bool {
	return c.set.OnesBetween(uint(r.First()), uint(r.Last())+1) > 0
}

func (c bits) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	last := int(within.Last())
	for port := int(within.First()); port+count-1 <= last; {
		clear, ok := c.set.NextClear(uint(port))
		if !ok {
			break
		}
		first := alignUp(int(clear), align)
		taken, ok := c.set.NextSet(uint(first))
		if !ok || int(taken)-first >= count {
			return rangeAt(first, count, last)
		}
		port = int(taken) + 1
	}
	return pool.Range{}, false
}

func (c bits) Clone() poolbench.Core { return bits{c.set.Clone()} }

type roar struct {
	set *roaring.Bitmap
}

func newRoaring() poolbench.Core { return roar{roaring.New()} }

func (c roar) Insert(r pool.Range) { c.set.AddRange(uint64(r.First()), uint64(r.Last())+1) }
func (c roar) Delete(r pool.Range) { c.set.RemoveRange(uint64(r.First()), uint64(r.Last())+1) }

func (c roar) Overlaps(r pool.Range) bool {
	return c.set.IntersectsWithInterval(uint64(r.First()), uint64(r.Last())+1)
}

func (c roar) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	last := int(within.Last())
	for port := int(within.First()); port+count-1 <= last; {
		clear := c.set.NextAbsentValue(uint32(port))
		if clear < int64(port) || clear > int64(last) {
			// All ports up to 65535 are taken: roaring v2.30.0 says so by -1, by 0 or by 4294967295,
			// as the container is one of runs, an array or a bitmap.
			break
		}
		first := alignUp(int(clear), align)
		taken := int(c.set.NextValue(uint32(first)))
		if taken < 0 || taken-first >= count {
			return rangeAt(first, count, last)
		}
		port = taken + 1
	}
	return pool.Range{}, false
}

func (c roar) Clone() poolbench.Core { return roar{c.set.Clone()} }

// kelindar has no call for a range, so each port is a call.
type kelindar struct {
	set bitmap.Bitmap
}

func newKelindar() poolbench.Core {
	c := &kelindar{}
	c.set.Grow(pool.MaxPort)
	return c
}

func (c *kelindar) Insert(r pool.Range) {
	for port := uint32(r.First()); port <= uint32(r.Last()); port++ {
		c.set.Set(port)
	}
}

func (c *kelindar) Delete(r pool.Range) {
	for port := uint32(r.First()); port <= uint32(r.Last()); port++ {
		c.set.Remove(port)
	}
}

func (c *kelindar) Overlaps(r pool.Range) bool {
	for port := uint32(r.First()); port <= uint32(r.Last()); port++ {
		if c.set.Contains(port) {
			return true
		}
	}
	return false
}

func (c *kelindar) Clone() poolbench.Core { return &kelindar{c.set.Clone(nil)} }
