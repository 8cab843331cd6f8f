package pool

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/google/btree"
	"github.com/stretchr/testify/require"
)

// The benchmarks put the pool (core=berth) beside what one would write without it: google/btree
// alone (core=btree) and a bitmap without summaries (core=bitmap). docs/benchmarks/pool.md tells how
// to run and how to read them.

var blockCounts = []int{10, 100, 1000, 10_000, 30_000}

// spread returns count blocks of equal size at equal distances, a half of all ports or less in them.
func spread(count int) []Range {
	distance := MaxPort / count
	blocks := make([]Range, count)
	for i := range blocks {
		first := 1 + i*distance
		blocks[i] = Range{uint16(first), uint16(first + max(1, min(100, distance/2)) - 1)}
	}
	return blocks
}

func poolOf(blocks []Range) *Pool[int] {
	p := New[int]()
	for i, r := range blocks {
		p.Insert(r, i)
	}
	return p
}

// A treeAlone answers everything from google/btree.
type treeAlone struct{ *btree.BTreeG[entry[int]] }

func treeOf(blocks []Range) treeAlone {
	tree := btree.NewG(degree, precedes[int])
	for i, r := range blocks {
		tree.ReplaceOrInsert(entry[int]{r, i})
	}
	return treeAlone{tree}
}

// overlaps looks at the last block that begins at the end of r or before it.
func (t treeAlone) overlaps(r Range) bool {
	found := false
	t.DescendLessOrEqual(entry[int]{block: Range{first: r.last}}, func(e entry[int]) bool {
		found = e.block.last >= r.first
		return false
	})
	return found
}

// firstOverlap looks at the last block that begins before r, then at the next one.
func (t treeAlone) firstOverlap(r Range) (first entry[int]) {
	t.DescendLessOrEqual(entry[int]{block: Range{first: r.first}}, func(e entry[int]) bool {
		if e.block.last >= r.first {
			first = e
		}
		return false
	})
	if !first.block.IsValid() {
		t.AscendGreaterOrEqual(entry[int]{block: Range{first: r.first}}, func(e entry[int]) bool {
			if e.block.first <= r.last {
				first = e
			}
			return false
		})
	}
	return first
}

// overlapping calls yield with all blocks that overlap r.
func (t treeAlone) overlapping(r Range, yield func(entry[int]) bool) {
	from := r.first
	t.DescendLessOrEqual(entry[int]{block: Range{first: r.first}}, func(e entry[int]) bool {
		if e.block.last >= r.first {
			from = e.block.first
		}
		return false
	})
	t.AscendGreaterOrEqual(entry[int]{block: Range{first: from}}, func(e entry[int]) bool {
		return e.block.first <= r.last && yield(e)
	})
}

// findFree walks over the gaps between the blocks.
func (t treeAlone) findFree(count, align int, within Range) (int, bool) {
	start, found := int(within.first), false
	try := func(end int) bool {
		aligned := (start + align - 1) / align * align
		found = aligned+count <= min(end, int(within.last)+1)
		if found {
			start = aligned
		}
		return found
	}
	t.Ascend(func(e entry[int]) bool {
		if int(e.block.first) > start && try(int(e.block.first)) {
			return false
		}
		start = max(start, int(e.block.last)+1)
		return start <= int(within.last)
	})
	return start, found || try(MaxPort+1)
}

// A wordBitmap has neither summaries nor pages.
type wordBitmap [wordCount]uint64

func bitmapOf(blocks []Range) *wordBitmap {
	b := new(wordBitmap)
	for _, r := range blocks {
		for port := range r.Ports() {
			b[port/wordBits] |= 1 << (port % wordBits)
		}
	}
	return b
}

func (b *wordBitmap) overlaps(r Range) bool {
	firstWord, lastWord := r.first/wordBits, r.last/wordBits
	mask := ^uint64(0) << (r.first % wordBits)
	for w := firstWord; w < lastWord; w++ {
		if b[w]&mask != 0 {
			return true
		}
		mask = ^uint64(0)
	}
	return b[lastWord]&mask&(^uint64(0)>>(wordBits-1-r.last%wordBits)) != 0
}

// findFree goes from run to run, a word at a time.
func (b *wordBitmap) findFree(count, align int, within Range) (int, bool) {
	start := int(within.first)
	for {
		start = (start + align - 1) / align * align
		if start+count-1 > int(within.last) {
			return 0, false
		}
		taken := b.next(start, 0)
		if taken >= start+count {
			return start, true
		}
		start = b.next(taken, ^uint64(0))
	}
}

// next returns the first port from start on whose bit is set after the words are xored with flip.
func (b *wordBitmap) next(start int, flip uint64) int {
	for port := start; port <= MaxPort; port = (port/wordBits + 1) * wordBits {
		if x := (b[port/wordBits] ^ flip) >> (port % wordBits); x != 0 {
			return port + bits.TrailingZeros64(x)
		}
	}
	return MaxPort + 1
}

// randomRanges returns ranges of width ports at random places; their number is a power of two.
func randomRanges(width int) []Range {
	random := rand.New(rand.NewPCG(1, uint64(width)))
	ranges := make([]Range, 4096)
	for i := range ranges {
		first := 1 + random.IntN(MaxPort-width+1)
		ranges[i] = Range{uint16(first), uint16(first + width - 1)}
	}
	return ranges
}

// benchRanges measures ask, which is called with one range after another.
func benchRanges[T any](b *testing.B, ranges []Range, ask func(Range) T) {
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ask(ranges[i%4096])
		i++
	}
}

// BenchmarkOverlaps asks for random places, so that hits and misses come mixed.
func BenchmarkOverlaps(b *testing.B) {
	for _, width := range []int{1, 16, 256, 4096, MaxPort} {
		for _, count := range blockCounts {
			blocks, ranges := spread(count), randomRanges(width)
			name := func(core string) string { return fmt.Sprintf("core=%s/width=%d/blocks=%d", core, width, count) }
			pool, tree, words := poolOf(blocks), treeOf(blocks), bitmapOf(blocks)
			b.Run(name("berth"), func(b *testing.B) { benchRanges(b, ranges, pool.Overlaps) })
			b.Run(name("btree"), func(b *testing.B) { benchRanges(b, ranges, tree.overlaps) })
			b.Run(name("bitmap"), func(b *testing.B) { benchRanges(b, ranges, words.overlaps) })
		}
	}
}

// BenchmarkOverlapsNothing asks for ranges that end right before the only block: nothing ends the
// search early.
func BenchmarkOverlapsNothing(b *testing.B) {
	blocks := []Range{RangeOf(MaxPort)}
	pool, tree, words := poolOf(blocks), treeOf(blocks), bitmapOf(blocks)
	for _, width := range []int{1, 16, 256, 4096, MaxPort - 1} {
		ranges := make([]Range, 4096)
		for i := range ranges {
			ranges[i] = Range{uint16(MaxPort - width), MaxPort - 1}
		}
		b.Run(fmt.Sprintf("core=berth/width=%d", width), func(b *testing.B) { benchRanges(b, ranges, pool.Overlaps) })
		b.Run(fmt.Sprintf("core=btree/width=%d", width), func(b *testing.B) { benchRanges(b, ranges, tree.overlaps) })
		b.Run(fmt.Sprintf("core=bitmap/width=%d", width), func(b *testing.B) { benchRanges(b, ranges, words.overlaps) })
	}
}

// hits returns ranges of 16 ports that all overlap a block.
func hits(blocks []Range) []Range {
	random := rand.New(rand.NewPCG(2, 2))
	ranges := make([]Range, 4096)
	for i := range ranges {
		port := int(blocks[random.IntN(len(blocks))].first)
		first := min(max(1, port-random.IntN(16)), MaxPort-15)
		ranges[i] = Range{uint16(first), uint16(first + 15)}
	}
	return ranges
}

// BenchmarkFirstOverlap asks who holds the lowest port that is held.
func BenchmarkFirstOverlap(b *testing.B) {
	for _, count := range blockCounts {
		blocks := spread(count)
		ranges, pool, tree := hits(blocks), poolOf(blocks), treeOf(blocks)
		b.Run(fmt.Sprintf("core=berth/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) Range {
				block, _, _ := pool.FirstOverlap(r)
				return block
			})
		})
		b.Run(fmt.Sprintf("core=btree/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) Range { return tree.firstOverlap(r).block })
		})
	}
}

// BenchmarkOverlapping lists all blocks that overlap a range of 16 ports.
func BenchmarkOverlapping(b *testing.B) {
	for _, count := range blockCounts {
		blocks := spread(count)
		ranges, pool, tree := hits(blocks), poolOf(blocks), treeOf(blocks)
		b.Run(fmt.Sprintf("core=berth/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) (sum int) {
				for _, value := range pool.Overlapping(r) {
					sum += value
				}
				return sum
			})
		})
		b.Run(fmt.Sprintf("core=btree/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) (sum int) {
				tree.overlapping(r, func(e entry[int]) bool {
					sum += e.value
					return true
				})
				return sum
			})
		})
	}
}

// BenchmarkReplace deletes a random block and inserts it again.
func BenchmarkReplace(b *testing.B) {
	for _, count := range blockCounts {
		blocks := spread(count)
		ranges := make([]Range, 4096)
		random := rand.New(rand.NewPCG(3, 3))
		for i := range ranges {
			ranges[i] = blocks[random.IntN(count)]
		}
		pool, tree := poolOf(blocks), treeOf(blocks)
		b.Run(fmt.Sprintf("core=berth/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) bool {
				value, _ := pool.Delete(r)
				return pool.Insert(r, value)
			})
		})
		b.Run(fmt.Sprintf("core=btree/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) bool {
				e, _ := tree.Delete(entry[int]{block: r})
				_, replaced := tree.ReplaceOrInsert(e)
				return replaced
			})
		})
	}
}

// BenchmarkClone takes a snapshot, alone and with the first change after it, which copies what the
// snapshot shares.
func BenchmarkClone(b *testing.B) {
	for _, count := range blockCounts {
		blocks := spread(count)
		pool, tree := poolOf(blocks), treeOf(blocks)
		b.Run(fmt.Sprintf("core=berth/then=nothing/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, make([]Range, 4096), func(Range) *Pool[int] { return pool.Clone() })
		})
		b.Run(fmt.Sprintf("core=btree/then=nothing/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, make([]Range, 4096), func(Range) *btree.BTreeG[entry[int]] { return tree.Clone() })
		})
		ranges := make([]Range, 4096)
		for i := range ranges {
			ranges[i] = blocks[i*7%count]
		}
		b.Run(fmt.Sprintf("core=berth/then=replace/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) *Pool[int] {
				clone := pool.Clone()
				value, _ := pool.Delete(r)
				pool.Insert(r, value)
				return clone
			})
		})
		b.Run(fmt.Sprintf("core=btree/then=replace/blocks=%d", count), func(b *testing.B) {
			benchRanges(b, ranges, func(r Range) *btree.BTreeG[entry[int]] {
				clone := tree.Clone()
				e, _ := tree.Delete(entry[int]{block: r})
				tree.ReplaceOrInsert(e)
				return clone
			})
		})
	}
}

// BenchmarkFindFree looks for 200 free ports among 10,000 blocks of one port, with gaps of 5 ports
// or, where the run fits, one gap of 5 + 50*6 ports at the place that the name tells.
func BenchmarkFindFree(b *testing.B) {
	cases := []struct {
		name   string
		gap    int // the block before the gap; -1: none
		search Search
	}{
		{"fits=no", -1, Search{}},
		{"fits=no/within=yes", 9000, Search{Within: Range{1, 50_000}}},
		{"fits=start", 20, Search{}},
		{"fits=middle", 5000, Search{}},
		{"fits=end", 9900, Search{}},
		{"fits=middle/align=2/within=yes", 5000, Search{Within: Range{10_000, 60_000}, Align: 2}},
		{"fits=end/align=2/within=yes", 9900, Search{Within: Range{10_000, 60_000}, Align: 2}},
		{"fits=end/align=10/within=yes", 9900, Search{Within: Range{10_000, 60_000}, Align: 10}},
		{"fits=middle/from=next", 5000, Search{From: 40_000}},
	}
	for _, c := range cases {
		var blocks []Range
		for i := range 10_000 {
			if c.gap < 0 || i <= c.gap || i > c.gap+50 {
				blocks = append(blocks, RangeOf(uint16(1+6*i)))
			}
		}
		blocks = append(blocks, Range{60_001, MaxPort})
		pool, tree, words := poolOf(blocks), treeOf(blocks), bitmapOf(blocks)
		within := c.search.Within
		if !within.IsValid() {
			within = AllPorts
		}
		want, fits := pool.FindFree(200, c.search)
		if start, found := tree.findFree(200, max(1, c.search.Align), within); c.search.From == 0 {
			require.Equal(b, fits, found)
			require.True(b, !fits || start == int(want.first))
		}
		none := make([]Range, 4096)
		b.Run("core=berth/"+c.name, func(b *testing.B) {
			benchRanges(b, none, func(Range) Range {
				found, _ := pool.FindFree(200, c.search)
				return found
			})
		})
		b.Run("core=btree/"+c.name, func(b *testing.B) {
			benchRanges(b, none, func(Range) int {
				found, _ := tree.findFree(200, max(1, c.search.Align), within)
				return found
			})
		})
		b.Run("core=bitmap/"+c.name, func(b *testing.B) {
			benchRanges(b, none, func(Range) int {
				found, _ := words.findFree(200, max(1, c.search.Align), within)
				return found
			})
		})
	}
}

// BenchmarkFindFreeUnaligned looks for an aligned port where none is free but every other port is:
// all free runs are long enough and none fits.
func BenchmarkFindFreeUnaligned(b *testing.B) {
	for _, align := range []int{2, 3, 4, 64} {
		var blocks []Range
		for port := align; port <= MaxPort; port += align {
			blocks = append(blocks, RangeOf(uint16(port)))
		}
		pool, tree, words := poolOf(blocks), treeOf(blocks), bitmapOf(blocks)
		none := make([]Range, 4096)
		b.Run(fmt.Sprintf("core=berth/align=%d", align), func(b *testing.B) {
			benchRanges(b, none, func(Range) bool {
				_, found := pool.FindFree(1, Search{Align: align})
				return found
			})
		})
		b.Run(fmt.Sprintf("core=btree/align=%d", align), func(b *testing.B) {
			benchRanges(b, none, func(Range) bool {
				_, found := tree.findFree(1, align, AllPorts)
				return found
			})
		})
		b.Run(fmt.Sprintf("core=bitmap/align=%d", align), func(b *testing.B) {
			benchRanges(b, none, func(Range) bool {
				_, found := words.findFree(1, align, AllPorts)
				return found
			})
		})
	}
}

// BenchmarkFindFreeLeaping looks for a port that is free in the pool and in a set to avoid, where
// the two take turns and leave none.
func BenchmarkFindFreeLeaping(b *testing.B) {
	var blocks []Range
	var avoid PortSet
	for port := 1; port <= MaxPort; port++ {
		if port%2 == 0 {
			avoid.Add(RangeOf(uint16(port)))
		} else {
			blocks = append(blocks, RangeOf(uint16(port)))
		}
	}
	pool, search := poolOf(blocks), Search{Avoid: []*PortSet{&avoid}}
	b.Run("core=berth", func(b *testing.B) {
		benchRanges(b, make([]Range, 4096), func(Range) bool {
			_, found := pool.FindFree(1, search)
			return found
		})
	})
}
