package poolbench

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

func sharedWorkloads() []Workload {
	var all []Workload
	for _, reads := range []int{100, 10_000} {
		for _, goroutines := range goroutineCounts {
			all = append(all, sharing(1000, 16, goroutines, reads))
		}
	}
	return all
}

// sharing has goroutines ask beside one that replaces a block after each reads answers. The
// operations that are counted are the answers.
func sharing(blocks, width, goroutines, reads int) Workload {
	ask := "goroutines ask"
	if goroutines == 1 {
		ask = "goroutine asks"
	}
	return Workload{
		Group: "shared",
		Name:  fmt.Sprintf("blocks=%d/width=%d/goroutines=%d/reads=%d", blocks, width, goroutines, reads),
		Description: fmt.Sprintf("%d %s whether a port of %d is taken, beside one that replaces one of %d blocks after each %d answers",
			goroutines, ask, width, blocks, reads),
		Blocks: blocks, Width: width, Hit: 50, Goroutines: goroutines,
		prepare: func(new func() Core, random *rand.Rand) func(n int) {
			l := freshLayout(blocks, width)
			s := &sharedCore{core: l.fill(new(), random), blocks: l.blocks, reads: int64(reads)}
			_, s.lockless = s.core.(Sharer)
			s.queries = l.queries(width, 50, random, uniform)
			return func(n int) { s.askAll(n, goroutines) }
		},
	}
}

// A sharedCore is a core that is asked and changed at once.
type sharedCore struct {
	core     Core
	lockless bool // the core is a Sharer: it needs no lock
	mu       sync.RWMutex
	blocks   []pool.Range
	next     int // block to replace next
	queries  []pool.Range
	reads    int64        // answers for each change
	answers  atomic.Int64 // so far
	tally    atomic.Int64
}

// askAll asks n queries by several goroutines and makes the changes that are due.
func (s *sharedCore) askAll(n, goroutines int) {
	due := make(chan struct{}, goroutines)
	var readers, writer sync.WaitGroup
	writer.Go(func() {
		for range due {
			s.change()
		}
	})
	for g := range goroutines {
		share := (g+1)*n/goroutines - g*n/goroutines
		start := g * queryCount / goroutines // not all at the same place
		readers.Go(func() { s.ask(start, share, due) })
	}
	readers.Wait()
	close(due)
	writer.Wait()
}

// batch is how many answers a goroutine counts by itself.
const batch = 100

// ask asks n queries, and tells the writer when a change is due. It waits if the writer is behind by as
// many changes as there are goroutines, so the number of changes is the same for every core.
func (s *sharedCore) ask(start, n int, due chan<- struct{}) {
	taken := 0
	for first := 0; first < n; first += batch {
		end := min(n, first+batch)
		for i := first; i < end; i++ {
			if s.overlaps(s.queries[(start+i)%queryCount]) {
				taken++
			}
		}
		answers := s.answers.Add(int64(end - first))
		if answers/s.reads > (answers-int64(end-first))/s.reads {
			due <- struct{}{}
		}
	}
	s.tally.Add(int64(taken))
}

func (s *sharedCore) overlaps(r pool.Range) bool {
	if s.lockless {
		return s.core.Overlaps(r)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.core.Overlaps(r)
}

// change replaces a block. Only the writer calls it.
func (s *sharedCore) change() {
	block := s.blocks[s.next%len(s.blocks)]
	s.next++
	if !s.lockless {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	s.core.Delete(block)
	s.core.Insert(block)
}
