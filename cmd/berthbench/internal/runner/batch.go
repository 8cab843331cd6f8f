package runner

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/pool/poolbench"
)

// A batch is a core at a workload, with the number of operations that fill a sample.
type batch struct {
	run  func(n int)
	size int
}

// newBatch fills a core and finds out how many operations take about a sample's time. That warms up
// caches and branch predictors, too.
func newBatch(work poolbench.Workload, entry cores.Entry, sample time.Duration, seed uint64) (*batch, error) {
	run, err := work.Prepare(entry.New, seed)
	if err != nil {
		return nil, err
	}
	b := &batch{run: run, size: leastOperations(work)}
	for {
		taken, err := b.time()
		if err != nil {
			return nil, err
		}
		if taken >= sample/2 || b.size >= math.MaxInt32 {
			b.size = max(leastOperations(work), scaled(b.size, sample, taken))
			return b, nil
		}
		// The first few operations are slower than the rest, so they say little: not in one leap.
		b.size = min(scaled(b.size, sample, taken), b.size*50)
	}
}

// scaled returns how many operations take a sample's time if size of them take taken; at least twice
// as many while that is less than half of it.
func scaled(size int, sample, taken time.Duration) int {
	if taken <= 0 {
		return size * 50
	}
	factor := float64(sample) / float64(taken)
	return max(1, int(math.Min(math.MaxInt32, float64(size)*factor)))
}

// leastOperations is the smallest batch. Where goroutines ask beside one that changes, fewer
// operations than these could see no change at all, which would favour the slow.
func leastOperations(work poolbench.Workload) int {
	const readsOfEach = 10_000
	return max(1, work.Goroutines*readsOfEach)
}

// time runs a batch. A panic of the core is an error.
func (b *batch) time() (taken time.Duration, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value}
		}
	}()
	start := time.Now()
	b.run(b.size)
	return time.Since(start), nil
}

func (b *batch) sample(context.Context) (value float64, attempts, successes int, err error) {
	taken, err := b.time()
	return rounded(float64(taken.Nanoseconds()) / float64(b.size)), 0, 0, err
}

func (b *batch) Close() error { return nil }

// A panicError is a core that panicked while it was timed.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("it panicked: %v", e.value) }

// rounded cuts a sample to a thousandth, which is less than any clock can tell.
func rounded(value float64) float64 { return math.Round(value*1000) / 1000 }

var errHung = fmt.Errorf("a sample was not done after %s", patience)

// A jobSampler is a prepared job in a folder of its own.
type jobSampler struct {
	measure   jobs.Measure
	directory string
}

func newJobSampler(ctx context.Context, job jobs.Job, directory string) (*jobSampler, error) {
	own, err := os.MkdirTemp(directory, "job-")
	if err != nil {
		return nil, err
	}
	measure, err := job.Prepare(ctx, own)
	if err != nil {
		os.RemoveAll(own)
		return nil, err
	}
	return &jobSampler{measure, own}, nil
}

// patience is how long a sample of a job may take before it counts as hung. It is a thousand times
// what samples take on a slow disk.
const patience = 2 * time.Minute

func (s *jobSampler) sample(ctx context.Context) (value float64, attempts, successes int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errHung)
	defer cancel()
	value, attempts, successes, err = s.measure.Sample(ctx)
	if err != nil && context.Cause(ctx) == errHung {
		err = errHung
	}
	return rounded(value), attempts, successes, err
}

func (s *jobSampler) Close() error {
	err := s.measure.Close()
	if removing := os.RemoveAll(s.directory); err == nil {
		err = removing
	}
	return err
}
