package poolbench

import (
	"fmt"
	"math/rand/v2"

	"github.com/berthkit/berth/pool"
)

// A replacement is a block that goes and one that comes; they may be the same.
type replacement struct{ old, new pool.Range }

// reversed returns what undoes the replacement.
func (r replacement) reversed() replacement { return replacement{old: r.new, new: r.old} }

func churnWorkloads() []Workload {
	var all []Workload
	for _, width := range widths {
		for _, blocks := range blockCounts {
			if blocks*width < pool.MaxPort {
				all = append(all, churnInPlace(blocks, width))
			}
		}
	}
	for _, blocks := range blockCounts {
		all = append(all, churnAround(blocks))
	}
	return all
}

// churnInPlace replaces blocks of one width, each by itself.
func churnInPlace(blocks, width int) Workload {
	return Workload{
		Group:       "churn",
		Name:        fmt.Sprintf("blocks=%d/width=%d", blocks, width),
		Description: fmt.Sprintf("one of %s, %s wide, goes, its place is asked for, it comes back", counted(blocks, "block"), counted(width, "port")),
		Blocks:      blocks, Width: width,
		prepare: func(new func() Core, random *rand.Rand) func(n int) {
			var l layout
			for _, place := range evenly(1, pool.MaxPort, blocks) {
				l.blocks = append(l.blocks, span(int(place.First()), width))
			}
			steps := make([]replacement, queryCount)
			for i := range steps {
				block := l.blocks[random.IntN(blocks)]
				steps[i] = replacement{block, block}
			}
			return churn(l.fill(new(), random), steps)
		},
	}
}

// churnAround replaces blocks by others of other sizes elsewhere.
func churnAround(blocks int) Workload {
	return Workload{
		Group:       "churn",
		Name:        fmt.Sprintf("blocks=%d/layout=fragmented", blocks),
		Description: fmt.Sprintf("one of %s of random sizes goes, another place is asked for, a block of another size comes there", counted(blocks, "block")),
		Blocks:      blocks,
		prepare: func(new func() Core, random *rand.Rand) func(n int) {
			l := fragmented(blocks, 0, random)
			steps := wander(l, queryCount/2, random)
			for i := range queryCount / 2 { // and all the way back, so that the steps can begin anew
				steps = append(steps, steps[queryCount/2-1-i].reversed())
			}
			return churn(l.fill(new(), random), steps)
		},
	}
}

// wander returns count replacements, one after the other, of random blocks by others at random free
// places, of sizes like those of the layout.
func wander(l layout, count int, random *rand.Rand) []replacement {
	blocks := make([]pool.Range, len(l.blocks))
	copy(blocks, l.blocks)
	var taken pool.PortSet
	for _, block := range blocks {
		taken.Add(block)
	}
	steps := make([]replacement, 0, count)
	for len(steps) < count {
		i := random.IntN(len(blocks))
		old := blocks[i]
		taken.Remove(old)
		width := l.blocks[random.IntN(len(l.blocks))].Count()
		from := uint16(1 + random.IntN(pool.MaxPort))
		next, found := taken.FindFree(width, pool.Search{From: from})
		if !found {
			next = old
		}
		blocks[i] = next
		taken.Add(next)
		steps = append(steps, replacement{old, next})
	}
	return steps
}

// churn returns a function that makes n of the replacements, and goes on from there when called again.
func churn(core Core, steps []replacement) func(n int) {
	next, tally := 0, 0
	return func(n int) {
		taken := 0
		for range n {
			step := steps[next%queryCount]
			core.Delete(step.old)
			if core.Overlaps(step.new) {
				taken++
			}
			core.Insert(step.new)
			next++
		}
		tally += taken
	}
}

func cloneWorkloads() []Workload {
	var all []Workload
	for _, blocks := range blockCounts {
		for _, change := range []bool{false, true} {
			all = append(all, copying(blocks, change))
		}
	}
	return all
}

// copying copies a core; with a change, the original has a block replaced afterwards.
func copying(blocks int, change bool) Workload {
	name, description := "then=nothing", "a copy is made"
	if change {
		name, description = "then=replace", "a copy is made, and a block of the original goes and comes back"
	}
	return Workload{
		Group:       "clone",
		Name:        fmt.Sprintf("blocks=%d/%s", blocks, name),
		Description: fmt.Sprintf("%s of %s", description, counted(blocks, "block")),
		Blocks:      blocks,
		needs:       cloning,
		prepare: func(new func() Core, random *rand.Rand) func(n int) {
			l := newLayout(Blocks(blocks))
			core := l.fill(new(), random).(Cloner)
			order := random.Perm(blocks)
			var last Core
			return func(n int) {
				for i := range n {
					last = core.Clone()
					if change {
						block := l.blocks[order[i%blocks]]
						core.Delete(block)
						core.Insert(block)
					}
				}
				_ = last
			}
		},
	}
}
