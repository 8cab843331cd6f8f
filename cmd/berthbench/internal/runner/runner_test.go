package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// liar is a bitmap that is off by one: it does not see the last port of a question.
type liar struct{ poolbench.Core }

func newLiar() poolbench.Core { return liar{poolbench.Bitmap()} }

func (l liar) Overlaps(r pool.Range) bool {
	if r.Count() == 1 {
		return l.Core.Overlaps(r)
	}
	shorter, err := pool.RangeFrom(r.First(), r.Count()-1)
	return err == nil && l.Core.Overlaps(shorter)
}

var (
	bitmap      = cores.Entry{Name: "bitmap", New: poolbench.Bitmap}
	sortedSlice = cores.Entry{Name: "sorted slice", New: poolbench.SortedSlice, Properties: []string{"sorted"}}
	liarEntry   = cores.Entry{Name: "liar", New: newLiar}
)

// plan is a run that takes some milliseconds.
func plan(t *testing.T) Plan {
	return Plan{
		Rounds: 3, Sample: 50 * time.Microsecond, JobSample: time.Millisecond,
		Operations: 2000, Seed: 1, Directory: t.TempDir(),
	}
}

func workloads(t *testing.T, names ...string) []poolbench.Workload {
	var chosen []poolbench.Workload
	for _, name := range names {
		for _, work := range poolbench.Workloads() {
			if work.String() == name {
				chosen = append(chosen, work)
			}
		}
	}
	require.Len(t, chosen, len(names))
	return chosen
}

func TestRunMeasuresWhoCanDoTheWork(t *testing.T) {
	p := plan(t)
	p.Cores = []cores.Entry{bitmap, sortedSlice}
	p.Work = workloads(t, "any/blocks=10/width=16/hit=50", "who/blocks=10/width=16/hit=50")
	p.Memory = []int{10}
	var seen []Progress
	p.Observe = func(now Progress) { seen = append(seen, now) }

	run, err := p.Run(t.Context(), result.Machine{Go: "go1.26"})
	require.NoError(t, err)
	require.True(t, run.Complete)
	require.Equal(t, "go1.26", run.Machine.Go)
	require.Equal(t, []result.Verdict{{Core: "bitmap", Operations: 2000}, {Core: "sorted slice", Operations: 2000}}, run.Verified)

	var names []string
	for _, f := range run.Figures {
		names = append(names, f.Group+" "+f.Subject+" "+f.Unit)
		require.Len(t, f.Samples, p.Rounds)
		for _, sample := range f.Samples {
			require.Positive(t, sample)
		}
	}
	require.Equal(t, []string{
		"memory bitmap B/block", "memory sorted slice B/block",
		"any bitmap ns/op", "any sorted slice ns/op", "who sorted slice ns/op",
	}, names)
	require.Equal(t, p.Figures(), len(run.Figures))
	require.Contains(t, run.Figures[3].Properties, "sorted")
	require.NotEmpty(t, seen)
	require.Equal(t, "who/blocks=10/width=16/hit=50", seen[len(seen)-1].Doing)
	require.Positive(t, p.Duration())
}

// Memory of something known: 1,024 words.
func TestMemoryWeighs(t *testing.T) {
	s := &scales{poolbench.Bitmap, poolbench.Blocks(100)}
	value, _, _, err := s.sample(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 8192.0/100, value, 1)
}

func TestALiarIsNamedAndNotTimed(t *testing.T) {
	p := plan(t)
	p.Cores = []cores.Entry{liarEntry, bitmap}
	p.Work = workloads(t, "any/blocks=10/width=16/hit=50")
	run, err := p.Run(t.Context(), result.Machine{})
	require.NoError(t, err)
	require.Len(t, run.Figures, 1)
	require.Equal(t, "bitmap", run.Figures[0].Subject)
	require.Equal(t, "liar", run.Verified[0].Core)
	require.Contains(t, run.Verified[0].Fault, "Overlaps(")
	require.Contains(t, run.Verified[0].Fault, "got false, want true")
	require.Empty(t, run.Verified[1].Fault)
}

// explosive answers right until it is armed.
type explosive struct {
	poolbench.Core
	armed *bool
}

func (e explosive) Overlaps(r pool.Range) bool {
	if *e.armed {
		panic("boom")
	}
	return e.Core.Overlaps(r)
}

func TestAPanicWhileTimedIsAFault(t *testing.T) {
	armed := false
	p := plan(t)
	p.Cores = []cores.Entry{{Name: "explosive", New: func() poolbench.Core { return explosive{poolbench.Bitmap(), &armed} }}, bitmap}
	p.Work = workloads(t, "any/blocks=10/width=16/hit=50", "any/blocks=100/width=16/hit=50")
	p.Observe = func(now Progress) { armed = armed || now.Doing == p.Work[0].String() }
	run, err := p.Run(t.Context(), result.Machine{})
	require.NoError(t, err)
	require.Contains(t, run.Verified[0].Fault, "in any/blocks=10/width=16/hit=50: it panicked: boom")
	for _, f := range run.Figures {
		require.Equal(t, "bitmap", f.Subject)
	}
	require.Len(t, run.Figures, 2)
}

// A fakeJob counts its samples.
type fakeJob struct {
	order  *[]string
	name   string
	fail   error
	closed *int
}

func (f *fakeJob) Sample(ctx context.Context) (float64, int, int, error) {
	*f.order = append(*f.order, f.name)
	return 5, 10, 9, errors.Join(f.fail, ctx.Err())
}

func (f *fakeJob) Close() error {
	*f.closed++
	return nil
}

func TestJobsAreSampledInTurns(t *testing.T) {
	var order []string
	closed := 0
	job := func(name string, prepare, sample error) jobs.Job {
		return jobs.Job{
			Group: "udp-port", Work: result.Work{Name: "full=0"}, Subject: name, Unit: "ns/op",
			Prepare: func(_ context.Context, directory string) (jobs.Measure, error) {
				require.DirExists(t, directory)
				return &fakeJob{&order, name, sample, &closed}, prepare
			},
		}
	}
	p := plan(t)
	p.Jobs = []jobs.Job{
		job("A", nil, nil), job("B", nil, nil),
		job("unable", fmt.Errorf("not here: %w", errors.ErrUnsupported), nil),
		job("broken", nil, errors.New("no socket")),
	}
	run, err := p.Run(t.Context(), result.Machine{})
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B", "broken", "A", "B", "A", "B"}, order)
	require.Len(t, run.Figures, 2)
	require.Equal(t, 30, run.Figures[0].Attempts)
	require.Equal(t, 27, run.Figures[0].Successes)
	require.Equal(t, []string{
		"udp-port/full=0 leaves out unable: not here: unsupported operation",
		"udp-port/full=0, broken: no socket",
	}, run.Notes)
	require.Equal(t, 3, closed)
	left, err := os.ReadDir(p.Directory)
	require.NoError(t, err)
	require.Empty(t, left, "jobs clean up")
}

func TestInterruptKeepsWhatIsComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := plan(t)
	p.Cores = []cores.Entry{bitmap}
	p.Work = workloads(t, "any/blocks=10/width=16/hit=50", "any/blocks=100/width=16/hit=50")
	p.Observe = func(now Progress) {
		if now.Doing == p.Work[1].String() {
			cancel()
		}
	}
	run, err := p.Run(ctx, result.Machine{})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, run.Complete)
	require.Len(t, run.Figures, 1)
	require.Equal(t, p.Work[0].Name, run.Figures[0].Work.Name)
}

func TestInterruptWhileVerifying(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := plan(t)
	p.Cores = []cores.Entry{bitmap}
	p.Work = workloads(t, "any/blocks=10/width=16/hit=50")
	run, err := p.Run(ctx, result.Machine{})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, run.Figures)
}

func TestBatchesAreAsLongAsASample(t *testing.T) {
	work := workloads(t, "any/blocks=10/width=16/hit=50")[0]
	b, err := newBatch(work, bitmap, 2*time.Millisecond, 1)
	require.NoError(t, err)
	require.Greater(t, b.size, 1000, "some nanoseconds each")

	_, err = newBatch(workloads(t, "who/blocks=10/width=16/hit=50")[0], bitmap, time.Millisecond, 1)
	require.ErrorIs(t, err, poolbench.ErrUnfit)

	shared := workloads(t, "shared/blocks=1000/width=16/goroutines=4/reads=100")[0]
	require.Equal(t, 40_000, leastOperations(shared))
	require.Equal(t, 1, leastOperations(work))
}

func TestScaled(t *testing.T) {
	require.Equal(t, 50, scaled(1, time.Second, 0))
	require.Equal(t, 20, scaled(10, 2*time.Millisecond, time.Millisecond))
	require.Equal(t, 1, scaled(10, time.Millisecond, time.Hour))
}

func TestPace(t *testing.T) {
	require.Equal(t, time.Second, pace{}.estimate(time.Second))
	require.Equal(t, 3*time.Second, pace{planned: 2 * time.Second, taken: 6 * time.Second}.estimate(time.Second))
}
