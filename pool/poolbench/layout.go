package poolbench

import (
	"math/rand/v2"
	"slices"

	"github.com/berthkit/berth/pool"
)

// A layout is where the blocks lie.
type layout struct {
	blocks []pool.Range // ascending
	gaps   []pool.Range // the maximal free stretches, ascending
}

func newLayout(blocks []pool.Range) layout {
	l := layout{blocks: blocks}
	next := 1
	for _, block := range blocks {
		if first := int(block.First()); first > next {
			l.gaps = append(l.gaps, span(next, first-next))
		}
		next = int(block.Last()) + 1
	}
	if next <= pool.MaxPort {
		l.gaps = append(l.gaps, span(next, pool.MaxPort-next+1))
	}
	return l
}

// Blocks returns count blocks of equal size, at most 100 ports, at equal distances: about a half of all
// ports is in blocks, less if they are few, more above 22,000 of them. Count is from 1 to 65,535.
func Blocks(count int) []pool.Range { return evenly(1, pool.MaxPort, count) }

// evenly returns count blocks of equal size at equal distances from port first on, within ports of them.
func evenly(first, ports, count int) []pool.Range {
	distance := ports / count
	width := max(1, min(100, distance/2))
	blocks := make([]pool.Range, count)
	for i := range blocks {
		blocks[i] = span(first+i*distance, width)
	}
	return blocks
}

// freshLayout lies evenly, with free stretches that queries of width ports fit into: as many as a
// half of the ports has room for, and the blocks evenly in groups between them. So 30,000 blocks and
// free stretches of 4,096 ports go together.
func freshLayout(count, width int) layout {
	stretch := width + width/4 + 1
	groups := max(1, min(count, pool.MaxPort/2/stretch))
	var blocks []pool.Range
	for g := range groups {
		first, end := 1+g*pool.MaxPort/groups, 1+(g+1)*pool.MaxPort/groups
		members := (g+1)*count/groups - g*count/groups
		blocks = append(blocks, evenly(first, end-first-stretch, members)...)
	}
	return newLayout(blocks)
}

// randomLayout has blocks and gaps of random sizes, as they are after a long life: taken ports in
// count blocks.
func randomLayout(count, taken int, random *rand.Rand) layout {
	widths := split(taken-count, count, random)
	gaps := split(pool.MaxPort-taken, count+1, random)
	blocks := make([]pool.Range, count)
	next := 1
	for i := range blocks {
		next += gaps[i]
		blocks[i] = span(next, widths[i]+1)
		next += widths[i] + 1
	}
	return newLayout(blocks)
}

// split cuts total into parts numbers at random; some may be 0.
func split(total, parts int, random *rand.Rand) []int {
	cuts := make([]int, parts+1)
	cuts[parts] = total
	for i := 1; i < parts; i++ {
		cuts[i] = random.IntN(total + 1)
	}
	slices.Sort(cuts)
	for i := range parts {
		cuts[i] = cuts[i+1] - cuts[i]
	}
	return cuts[:parts]
}

// span returns the range of width ports from first on, which the caller knows to fit.
func span(first, width int) pool.Range {
	r, err := pool.RangeFrom(uint16(first), width)
	if err != nil {
		panic(err)
	}
	return r
}

// fill inserts the blocks in random order: a core that likes ascending order gets no present.
func (l layout) fill(core Core, random *rand.Rand) Core {
	for _, i := range random.Perm(len(l.blocks)) {
		core.Insert(l.blocks[i])
	}
	return core
}

// queryCount is how many queries are asked before they come round again. It is a power of two, and
// too many for a processor to learn their answers by heart.
const queryCount = 1 << 14

// queries returns ranges of width ports, hit percent of which overlap a block, in random order.
// Places are drawn by pick.
func (l layout) queries(width, hit int, random *rand.Rand, pick picker) []pool.Range {
	wide := slices.DeleteFunc(slices.Clone(l.gaps), func(gap pool.Range) bool { return gap.Count() < width })
	block, gap := pick(len(l.blocks), random), pick(len(wide), random)
	ranges := make([]pool.Range, queryCount)
	for i, n := range random.Perm(queryCount) {
		first := 0
		if n*100 < hit*queryCount {
			r := l.blocks[block()]
			first = int(r.First()) + random.IntN(r.Count()) - random.IntN(width)
			first = min(max(1, first), pool.MaxPort-width+1)
		} else {
			r := wide[gap()]
			first = int(r.First()) + random.IntN(r.Count()-width+1)
		}
		ranges[i] = span(first, width)
	}
	return ranges
}

// A picker returns a function that draws numbers below n.
type picker func(n int, random *rand.Rand) func() int

func uniform(n int, random *rand.Rand) func() int {
	return func() int { return random.IntN(n) }
}

// zipf draws few numbers often and most of them seldom, which ones is random.
func zipf(n int, random *rand.Rand) func() int {
	if n == 0 {
		return nil
	}
	order := random.Perm(n)
	rank := rand.NewZipf(random, 1.1, 1, uint64(n-1))
	return func() int { return order[rank.Uint64()] }
}
