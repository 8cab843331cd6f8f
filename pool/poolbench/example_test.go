package poolbench_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// A mine is a core of one's own in ten lines.
type mine [pool.MaxPort + 1]bool

func (m *mine) of(r pool.Range) []bool { return m[r.First() : int(r.Last())+1] }

func (m *mine) Insert(r pool.Range)        { fill(m.of(r), true) }
func (m *mine) Delete(r pool.Range)        { fill(m.of(r), false) }
func (m *mine) Overlaps(r pool.Range) bool { return slices.Contains(m.of(r), true) }

func fill(ports []bool, taken bool) {
	for i := range ports {
		ports[i] = taken
	}
}

// A forgetful core does not look at the last port of what it is asked.
type forgetful struct{ mine }

func (f *forgetful) Overlaps(r pool.Range) bool {
	return slices.Contains(f.of(r)[:r.Count()-1], true)
}

// In a test it is poolbench.Verify(t, newMine), in a benchmark poolbench.Run(b, newMine).
func Example() {
	newMine := func() poolbench.Core { return new(mine) }
	fmt.Println(poolbench.VerifyCore(newMine, 100_000, 1))

	err := poolbench.VerifyCore(func() poolbench.Core { return new(forgetful) }, 100_000, 2)
	fmt.Println(err)
	// Output:
	// <nil>
	// Overlaps(37806): got false, want true; on a new core after Insert(37806) (seed 2, call 6)
}

func ExampleWorkload_Prepare() {
	for _, work := range poolbench.Workloads() {
		if work.Group != "any" || work.Blocks != 1000 || !work.Fits(poolbench.Bitmap()) {
			continue
		}
		run, err := work.Prepare(poolbench.Bitmap, 1)
		if err != nil {
			fmt.Println(err)
			return
		}
		run(10_000) // time this
		fmt.Println(work)
		fmt.Println(work.Description)
		break
	}
	// Output:
	// any/blocks=1000/width=1/hit=0
	// is any port of the range taken? 1000 blocks, 1 port wide, 0 % hits
}

func ExampleTraceWorkloads() {
	all, err := poolbench.TraceWorkloads("office", strings.NewReader(`berth trace 1
insert udp 50000-50099
who udp 50050
delete udp 50000-50099
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, work := range all {
		fmt.Println(work, work.Fits(poolbench.Bitmap()), "-", work.Description)
	}
	// Output:
	// trace/office false - 3 operations of a recorded trace, at most 1 block at once
	// trace/office/ask=any true - 3 operations of a recorded trace, at most 1 block at once; searches are left out, and Who is asked as Overlaps
}
