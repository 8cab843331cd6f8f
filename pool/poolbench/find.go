package poolbench

import (
	"fmt"
	"math/rand/v2"

	"github.com/berthkit/berth/pool"
)

// manyPorts is the run that most searches look for.
const manyPorts = 200

// A hunt is a search among blocks that leave small gaps everywhere and one where the run fits.
type hunt struct {
	blocks int
	count  int    // ports of the run
	align  int    // of its first port
	place  string // "no": it fits nowhere; "start", "middle", "end": the gap is there
	within string // "all" or a range
}

func findWorkloads() []Workload {
	var all []Workload
	for _, blocks := range blockCounts {
		for _, place := range []string{"no", "start", "middle", "end"} {
			all = append(all, hunt{blocks, manyPorts, 1, place, "all"}.workload())
		}
		all = append(all,
			hunt{blocks, 2, 2, "no", "all"}.workload(),
			hunt{blocks, 2, 2, "end", "all"}.workload(),
		)
	}
	for _, place := range []string{"no", "end"} {
		all = append(all, hunt{10_000, manyPorts, 1, place, "8000-63999"}.workload())
	}
	return all
}

func (h hunt) workload() Workload {
	w := Workload{
		Group:       "find",
		Name:        fmt.Sprintf("blocks=%d/width=%d/fits=%s", h.blocks, h.count, h.place),
		Description: fmt.Sprintf("the first %d free ports in a row among %d blocks; they are at the %s", h.count, h.blocks, h.place),
		Blocks:      h.blocks, Width: h.count,
		needs:   finding,
		prepare: h.prepare,
	}
	if h.place == "no" {
		w.Description = fmt.Sprintf("%d free ports in a row among %d blocks, where there are none", h.count, h.blocks)
	}
	if h.align > 1 {
		w = w.named(fmt.Sprintf("align=%d", h.align), "the first port is even, as pairs for RTP want, and most free pairs are odd")
	}
	if h.within != "all" {
		w = w.named("within="+h.within, "the search is bounded")
	}
	return w
}

func (h hunt) prepare(new func() Core, random *rand.Rand) func(n int) {
	core := h.layout().fill(new(), random).(Finder)
	within := pool.AllPorts
	if h.within != "all" {
		within = pool.MustParseRange(h.within)
	}
	tally := 0
	return func(n int) {
		sum := 0
		for i := range n {
			if found, ok := core.FindFree(h.count+i%h.variants(), within, h.align); ok {
				sum += int(found.First())
			}
		}
		tally += sum
	}
}

// variants is how many lengths of run are searched for in turn, so that a processor cannot learn
// one path. All of them fit where one fits.
func (h hunt) variants() int {
	if h.align > 1 {
		return 1
	}
	return 64
}

// gapPorts is the gap where the run fits.
const gapPorts = 300

// layout lays the blocks at equal distances. The gap before each is too small by one port, or, of
// aligned runs, begins at an odd port and is just as long as the run; where distances are small it
// is as large as one port of block leaves it. All other ports are taken.
func (h hunt) layout() layout {
	first, ok := map[string]int{"start": 1311, "middle": 32_767, "end": 58_981}[h.place] // odd: see tile
	if !ok {
		return newLayout(h.tile(1, pool.MaxPort, h.blocks))
	}
	below, above := first-1, pool.MaxPort-(first+gapPorts)+1
	members := max(1, h.blocks*below/(below+above))
	return newLayout(append(h.tile(1, below, members), h.tile(first+gapPorts, above, h.blocks-members)...))
}

// tile lays count blocks into ports from first on, which is odd, each behind a gap that does not fit.
func (h hunt) tile(first, ports, count int) []pool.Range {
	distance, gap := ports/count, h.count-1
	if h.align > 1 {
		distance, gap = distance&^1, h.count // even distances keep the gaps at odd ports
	}
	gap = min(gap, distance-1)
	blocks := make([]pool.Range, count)
	for i := range blocks {
		blocks[i] = span(first+i*distance+gap, distance-gap)
	}
	last := first + (count-1)*distance + gap
	blocks[count-1] = span(last, first+ports-last)
	return blocks
}
