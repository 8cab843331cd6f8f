package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// A synthetic core costs base·blocks^blocksPower + perPort·width nanoseconds for a question.
type syntheticCore struct {
	name        string
	base        float64
	blocksPower float64
	perPort     float64
	who         bool
	properties  []string
}

// syntheticCores have about the costs that such cores were measured to have.
var syntheticCores = []syntheticCore{
	{"berth", 4.6, 0.01, 0.012, true, []string{"knows who"}},
	{"portset", 4.3, 0, 0.012, false, []string{"answers yes or no only"}},
	{"berth b-tree", 30, 0.2, 0, true, []string{"knows who"}},
	{"bitmap", 3.6, 0, 0.011, false, []string{"answers yes or no only"}},
	{"bitset", 5.2, 0.02, 0.1, false, []string{"github.com/bits-and-blooms/bitset v1.29.0", "answers yes or no only"}},
	{"kelindar/bitmap", 4.5, 0, 1.4, false, []string{"answers yes or no only"}},
	{"sorted slice", 7, 0.19, 0, true, []string{"knows who"}},
	{"list", 2, 0.95, 0, true, []string{"knows who"}},
	{"google/btree", 34, 0.18, 0, true, []string{"github.com/google/btree v1.1.3", "knows who"}},
	{"tidwall/btree", 32, 0.17, 0, true, []string{"knows who"}},
	{"rdleal/intervalst", 40, 0.16, 0, true, []string{"knows who", "locks itself"}},
	{"zyedidia/generic", 28, 0.25, 0, true, []string{"knows who"}},
	{"biogo/store", 60, 0.2, 0, true, []string{"knows who"}},
	{"etcd/adt", 110, 0.17, 0, true, []string{"knows who"}},
	{"roaring", 420, -0.1, 0, false, []string{"answers yes or no only"}},
	{"gaissmai/interval", 150, 0.16, 0, true, []string{"knows who"}},
	{"workiva", 240, 0.14, 0.01, true, []string{"knows who"}},
	{"moby run-length", 900, 0.5, 9, false, []string{"answers yes or no only"}},
}

// synthetic returns a run as large as a real one with made-up figures. The same seed gives the same run.
func synthetic(seed uint64) *result.Run {
	random := rand.New(rand.NewPCG(seed, 5))
	run := &result.Run{
		Machine: result.Machine{
			System: "linux/amd64, Linux 6.18.0", Processor: "Synthetic Processor 9000", Cores: 2, Go: "go1.26.8", Commit: "0123456789ab",
		},
		Started:  time.Date(2026, time.November, 22, 13, 0, 0, 0, time.UTC),
		Seed:     seed,
		Complete: true,
	}
	for _, core := range syntheticCores {
		run.Verified = append(run.Verified, result.Verdict{Core: core.name, Operations: 1_000_000})
	}
	for _, group := range []string{"any", "who"} {
		for _, blocks := range []int{10, 100, 1000, 10_000, 30_000} {
			for _, width := range []int{1, 16, 256, 4096} {
				for _, hit := range []int{0, 50, 100} {
					work := result.Work{
						Name:        fmt.Sprintf("blocks=%d/width=%d/hit=%d", blocks, width, hit),
						Description: fmt.Sprintf("%d blocks, %d ports wide, %d %% hits", blocks, width, hit),
						Blocks:      blocks, Width: width, Hit: hit,
					}
					addCores(run, random, group, work, 1)
				}
			}
		}
	}
	for _, blocks := range []int{10, 100, 1000, 10_000, 30_000} {
		addCores(run, random, "churn", result.Work{Name: fmt.Sprintf("blocks=%d/width=1", blocks), Blocks: blocks, Width: 1}, 6)
		addCores(run, random, "find", result.Work{Name: fmt.Sprintf("blocks=%d/width=16/fits=no", blocks), Blocks: blocks, Width: 16}, 20)
	}
	for _, goroutines := range []int{1, 2, 4, 8, 16} {
		work := result.Work{Name: fmt.Sprintf("blocks=1000/width=16/goroutines=%d/reads=100", goroutines), Blocks: 1000, Width: 16, Goroutines: goroutines}
		addCores(run, random, "shared", work, 3*math.Sqrt(float64(goroutines)))
	}
	addJobs(run, random)
	return run
}

func addCores(run *result.Run, random *rand.Rand, group string, work result.Work, times float64) {
	for _, core := range syntheticCores {
		if group == "who" && !core.who || core.name == "list" && work.Blocks > 10_000 {
			continue
		}
		cost := times * (core.base*math.Pow(float64(work.Blocks), core.blocksPower) + core.perPort*float64(work.Width))
		run.Figures = append(run.Figures, result.Figure{
			Group: group, Work: work, Subject: core.name, Unit: "ns/op", Samples: samples(random, cost, 10), Properties: core.properties,
		})
	}
}

// samples scatter by a few percent; one in thirty lies far above.
func samples(random *rand.Rand, around float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = around * (1 + 0.03*random.NormFloat64())
		if random.IntN(30) == 0 {
			values[i] *= 1.3 + random.Float64()
		}
	}
	return values
}

func addJobs(run *result.Run, random *rand.Rand) {
	ports := []struct {
		subject  string
		cost     float64
		property string
	}{
		{"berth", 21_000, "block of one port, acquired, bound, released"}, {"berth, no block", 18_500, "bind to port 0 through the engine"},
		{"net", 16_800, "baseline: port 0"}, {"pion/turn", 24_600, "gives up after 10 tries"},
		{"reuseport", 24_700, "others of the same user may bind it too"}, {"portal", 67_700, "checks TCP only"},
		{"phayes", 79_900, "checks TCP only"}, {"consul", 178_000, "checks TCP only"},
	}
	for _, fill := range []int{0, 50, 90, 99} {
		for i, peer := range ports {
			successes := 5000
			if i > 2 {
				successes -= fill * i * 6
			}
			run.Figures = append(run.Figures, result.Figure{
				Group: "udp-port", Work: result.Work{Name: fmt.Sprintf("full=%d", fill), Fill: fill}, Subject: peer.subject, Unit: "ns/op",
				Samples: samples(random, peer.cost*(1+float64(fill)/300), 10), Attempts: 5000, Successes: successes, Properties: []string{peer.property},
			})
		}
	}
	durable := []struct {
		subject    string
		alone, by8 float64
	}{
		{"berth", 560_000, 0.16}, {"bbolt Update", 522_000, 1}, {"bbolt Batch, 1 ms", 1_600_000, 0.15},
		{"bbolt Batch", 10_600_000, 0.13}, {"renameio JSON", 890_000, 1}, {"SQLite WAL", 480_000, 1.1}, {"SQLite", 1_900_000, 1.05},
	}
	for step, writers := range []int{1, 8, 64} {
		for _, keeper := range durable {
			run.Figures = append(run.Figures, result.Figure{
				Group: "durable-create", Work: result.Work{Name: fmt.Sprintf("writers=%d", writers), Goroutines: writers}, Subject: keeper.subject,
				Unit: "ns/op", Samples: samples(random, keeper.alone*math.Pow(keeper.by8, float64(step)), 10), Attempts: 640, Successes: 640,
				Properties: []string{"2 fdatasync each"},
			})
		}
	}
	for _, core := range syntheticCores {
		run.Figures = append(run.Figures, result.Figure{
			Group: "memory", Work: result.Work{Name: "blocks=10000", Blocks: 10_000}, Subject: core.name, Unit: "B/block",
			Samples: []float64{core.base * 2}, Properties: core.properties,
		})
	}
}
