package poolbench

import (
	"math/rand/v2"
	"testing"
)

// Verify fails the test at the first wrong answer of a core in a million random operations, 100,000
// with -short: see [VerifyCore]. Each run draws another seed; the failure names it.
func Verify(t testing.TB, new func() Core) {
	t.Helper()
	operations := 1_000_000
	if testing.Short() {
		operations = 100_000
	}
	if err := VerifyCore(new, operations, rand.Uint64()); err != nil {
		t.Fatal(err)
	}
}

// Run measures a core on every workload of [Workloads] that it fits, as sub-benchmarks that benchstat
// can read: "any/blocks=1000/width=16/hit=50". Verify the core first; Run does not.
func Run(b *testing.B, new func() Core) {
	for _, work := range Workloads() {
		if !work.Fits(new()) {
			continue
		}
		var run func(n int)
		b.Run(work.String(), func(b *testing.B) {
			b.ReportAllocs()
			if run == nil { // a benchmark is called again for a longer time, and filling takes its own
				var err error
				if run, err = work.Prepare(new, 1); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
			}
			run(b.N)
		})
	}
}
