package poolbench

import (
	"slices"

	"github.com/berthkit/berth/pool"
)

// SortedSlice returns a core that keeps its blocks in a slice by first port and finds them by binary
// search. Each change moves half of the slice, on average.
func SortedSlice() Core { return new(sortedSlice) }

type sortedSlice struct{ entries []entry }

// search returns the index of the first block that begins behind port.
func (c *sortedSlice) search(port uint16) int {
	low, high := 0, len(c.entries)
	for low < high {
		middle := int(uint(low+high) / 2)
		if c.entries[middle].block.First() <= port {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func (c *sortedSlice) Insert(r pool.Range) {
	c.entries = slices.Insert(c.entries, c.search(r.First()), entry{r, owner(r.First())})
}

func (c *sortedSlice) Delete(r pool.Range) {
	if i := c.search(r.First()) - 1; i >= 0 && c.entries[i].block == r {
		c.entries = slices.Delete(c.entries, i, i+1)
	}
}

func (c *sortedSlice) Overlaps(r pool.Range) bool {
	i := c.search(r.Last()) - 1
	return i >= 0 && c.entries[i].block.Last() >= r.First()
}

func (c *sortedSlice) Who(r pool.Range) (pool.Range, bool) {
	if i := c.search(r.Last()) - 1; i >= 0 && c.entries[i].block.Last() >= r.First() {
		return c.entries[i].block, true
	}
	return pool.Range{}, false
}

func (c *sortedSlice) Clone() Core { return &sortedSlice{slices.Clone(c.entries)} }

func (c *sortedSlice) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := gapSearch{count: count, align: align, start: int(within.First()), last: int(within.Last())}
	i := c.search(within.First())
	if i > 0 {
		search.skip(c.entries[i-1].block)
	}
	for _, e := range c.entries[i:] {
		if search.fitsBefore(e.block) || search.start > search.last {
			break
		}
		search.skip(e.block)
	}
	return search.result()
}

// List returns a core that keeps its blocks in a slice in no order and looks at each of them: the
// simplest thing that works, and for a dozen blocks not the slowest.
func List() Core { return new(list) }

type list struct{ entries []entry }

func (c *list) Insert(r pool.Range) { c.entries = append(c.entries, entry{r, owner(r.First())}) }

func (c *list) Delete(r pool.Range) {
	for i := range c.entries {
		if c.entries[i].block == r {
			last := len(c.entries) - 1
			c.entries[i] = c.entries[last]
			c.entries = c.entries[:last]
			return
		}
	}
}

func (c *list) Overlaps(r pool.Range) bool {
	_, found := c.Who(r)
	return found
}

func (c *list) Who(r pool.Range) (pool.Range, bool) {
	for i := range c.entries {
		if block := c.entries[i].block; block.Overlaps(r) {
			return block, true
		}
	}
	return pool.Range{}, false
}

func (c *list) Clone() Core { return &list{slices.Clone(c.entries)} }
