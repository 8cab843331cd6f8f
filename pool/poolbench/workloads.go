package poolbench

import (
	"fmt"
	"math/rand/v2"

	"github.com/berthkit/berth/pool"
)

// What the workloads range over.
var (
	blockCounts     = [...]int{10, 100, 1000, 10_000, 30_000}
	widths          = [...]int{1, 16, 256, 4096}
	hits            = [...]int{0, 50, 100}
	goroutineCounts = [...]int{1, 2, 4, 8, 16}
)

// Workloads returns every workload except traces, in an order that a table can be made in.
func Workloads() []Workload {
	var all []Workload
	for _, q := range []question{anyTaken, whoseBlock} {
		all = append(all, questionWorkloads(q)...)
	}
	all = append(all, churnWorkloads()...)
	all = append(all, findWorkloads()...)
	all = append(all, cloneWorkloads()...)
	return append(all, sharedWorkloads()...)
}

// A question is one of the two that a core is asked about a range.
type question struct {
	group string
	text  string
	needs abilities
	ask   func(core Core, queries []pool.Range) func(n int)
}

var (
	anyTaken   = question{"any", "is any port of the range taken", 0, askOverlaps}
	whoseBlock = question{"who", "which block is in the way", naming, askWho}
)

// askOverlaps returns a function that asks n of the queries in turn. The tally lives on in it, so
// that no answer can be optimised away.
func askOverlaps(core Core, queries []pool.Range) func(n int) {
	tally := 0
	return func(n int) {
		taken := 0
		for i := range n {
			if core.Overlaps(queries[i%queryCount]) {
				taken++
			}
		}
		tally += taken
	}
}

func askWho(core Core, queries []pool.Range) func(n int) {
	namer, tally := core.(Namer), 0
	return func(n int) {
		sum := 0
		for i := range n {
			if block, ok := namer.Who(queries[i%queryCount]); ok {
				sum += int(block.First())
			}
		}
		tally += sum
	}
}

func questionWorkloads(q question) []Workload {
	var all []Workload
	for _, blocks := range blockCounts {
		for _, width := range widths {
			for _, hit := range hits {
				all = append(all, q.on(blocks, width, hit, fresh, uniform))
			}
		}
	}
	for _, blocks := range []int{1000, 10_000} {
		all = append(all,
			q.on(blocks, 16, 50, fresh, zipf).named("positions=zipf", "few places are asked often, most seldom"),
			q.on(blocks, 1, 50, fragmented, uniform).named("layout=fragmented", "blocks and gaps of random sizes"),
			q.on(blocks, 16, 50, fragmented, uniform).named("layout=fragmented", "blocks and gaps of random sizes"),
			q.on(blocks, 1, 50, nearlyFull, uniform).named("layout=full", "99 of 100 ports are taken").filled(99),
			q.on(blocks, 16, 100, nearlyFull, uniform).named("layout=full", "99 of 100 ports are taken").filled(99),
		)
	}
	return all
}

// on returns the workload that asks the question of blocks laid out in some way.
func (q question) on(blocks, width, hit int, lay func(blocks, width int, random *rand.Rand) layout, pick picker) Workload {
	return Workload{
		Group:       q.group,
		Name:        fmt.Sprintf("blocks=%d/width=%d/hit=%d", blocks, width, hit),
		Description: fmt.Sprintf("%s? %s, %s wide, %d %% hits", q.text, counted(blocks, "block"), counted(width, "port"), hit),
		Blocks:      blocks, Width: width, Hit: hit,
		needs: q.needs,
		prepare: func(new func() Core, random *rand.Rand) func(n int) {
			l := lay(blocks, width, random)
			return q.ask(l.fill(new(), random), l.queries(width, hit, random, pick))
		},
	}
}

// named adds a part to the name and a remark to the description.
func (w Workload) named(part, remark string) Workload {
	w.Name += "/" + part
	w.Description += "; " + remark
	return w
}

func (w Workload) filled(percent int) Workload {
	w.Fill = percent
	return w
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func fresh(blocks, width int, _ *rand.Rand) layout { return freshLayout(blocks, width) }

func fragmented(blocks, _ int, random *rand.Rand) layout {
	return randomLayout(blocks, pool.MaxPort/2, random)
}

func nearlyFull(blocks, _ int, random *rand.Rand) layout {
	return randomLayout(blocks, pool.MaxPort*99/100, random)
}
