package runner

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// weighedBlocks is how many blocks are weighed at once, in as many cores as that takes: enough that
// what else happens on the heap does not count.
const weighedBlocks = 20_000

func (p Plan) memoryContest(blocks int) contest {
	c := contest{
		name:  fmt.Sprintf("memory/blocks=%d", blocks),
		group: "memory",
		work: result.Work{
			Name:        fmt.Sprintf("blocks=%d", blocks),
			Description: fmt.Sprintf("bytes on the heap for each of %d blocks of equal size", blocks),
			Blocks:      blocks,
		},
		unit: "B/block",
	}
	places := poolbench.Blocks(blocks)
	for _, entry := range p.Cores {
		if entry.Groups != nil {
			continue
		}
		c.contenders = append(c.contenders, contender{
			subject: entry.Name, core: entry.Name, properties: entry.Facts(),
			prepare: func(context.Context) (sampler, error) { return &scales{entry.New, places}, nil },
		})
	}
	const weighing = 15 * time.Millisecond
	c.planned = time.Duration(len(c.contenders)*p.Rounds) * weighing
	return c
}

// scales weigh a core.
type scales struct {
	new    func() poolbench.Core
	blocks []pool.Range
}

func (s *scales) sample(context.Context) (value float64, attempts, successes int, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value}
		}
	}()
	cores := make([]poolbench.Core, max(1, weighedBlocks/len(s.blocks)))
	before := heap()
	for i := range cores {
		cores[i] = s.new()
		for _, block := range s.blocks {
			cores[i].Insert(block)
		}
	}
	weight := float64(heap()) - float64(before)
	runtime.KeepAlive(cores)
	return rounded(max(0, weight) / float64(len(cores)*len(s.blocks))), 0, 0, nil
}

func (s *scales) Close() error { return nil }

// heap returns the bytes of all that is alive on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools and finalizers keep goes with the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
