package poolbench

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
)

// A witness is a core that keeps count and fails the test if the harness breaks its promises.
type witness struct {
	t  *testing.T
	mu *sync.Mutex // shared workloads lock readers against the writer only
	o  *oracle
	seen
}

// seen is what a witness has been asked.
type seen struct {
	overlaps, hits, whos, named, finds, found, changes, clones int
	most                                                       int  // blocks when a question was asked
	logs                                                       bool // write the log
	log                                                        strings.Builder
}

func newWitness(t *testing.T) *witness { return &witness{t: t, mu: new(sync.Mutex), o: newOracle()} }

func (w *witness) note(format string, arguments ...any) {
	if w.logs {
		fmt.Fprintf(&w.log, format+"\n", arguments...)
	}
	w.most = max(w.most, len(w.o.blocks))
}

func (w *witness) Insert(r pool.Range) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.o.overlaps(r) {
		w.t.Errorf("Insert(%s) overlaps", r)
	}
	w.o.insert(r)
	w.changes++
}

func (w *witness) Delete(r pool.Range) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.o.has(r) {
		w.t.Fatalf("Delete(%s) of no block", r)
	}
	w.o.delete(r)
	w.changes++
}

func (w *witness) Overlaps(r pool.Range) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.o.overlaps(r)
	w.overlaps++
	if taken {
		w.hits++
	}
	w.note("Overlaps %s %t", r, taken)
	return taken
}

func (w *witness) Who(r pool.Range) (pool.Range, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whos++
	w.note("Who %s", r)
	if w.o.overlaps(r) {
		w.named++
		return r, true
	}
	return pool.Range{}, false
}

func (w *witness) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	found, ok := w.o.findFree(count, within, align)
	w.finds++
	if ok {
		w.found++
	}
	w.note("FindFree %d %s %d %s", count, within, align, found)
	return found, ok
}

func (w *witness) Clone() Core {
	w.clones++
	w.note("Clone")
	return w
}

func TestWorkloadsDoWhatTheySay(t *testing.T) {
	const n = queryCount
	for _, work := range Workloads() {
		t.Run(work.String(), func(t *testing.T) {
			w := newWitness(t)
			run, err := work.Prepare(func() Core { return w }, 1)
			require.NoError(t, err)
			require.Len(t, w.o.blocks, work.Blocks)
			if work.Fill > 0 {
				ports := 0
				for _, block := range w.o.blocks {
					ports += block.Count()
				}
				require.InDelta(t, work.Fill, 100*float64(ports)/pool.MaxPort, 0.01)
			}
			w.changes = 0
			n := n
			if work.Group == "find" || work.Group == "clone" {
				n = 100
			}
			run(n)
			requireKept(t, work, w, n)
			run(100)
			require.Len(t, w.o.blocks, work.Blocks, "after the second run")
		})
	}
}

// requireKept compares what a witness has seen in n operations with what the workload says.
func requireKept(t *testing.T, work Workload, w *witness, n int) {
	t.Helper()
	switch work.Group {
	case "any":
		require.Equal(t, n, w.overlaps)
		require.Equal(t, (work.Hit*n+99)/100, w.hits)
		require.Zero(t, w.changes)
	case "who":
		require.Equal(t, n, w.whos)
		require.Equal(t, (work.Hit*n+99)/100, w.named)
	case "churn":
		require.Equal(t, n, w.overlaps)
		require.Zero(t, w.hits)
		require.Equal(t, 2*n, w.changes)
		require.Equal(t, work.Blocks-1, w.most, "blocks when it is asked")
	case "find":
		require.Equal(t, n, w.finds)
		require.Equal(t, map[bool]int{true: 0, false: n}[strings.Contains(work.Name, "fits=no")], w.found)
	case "clone":
		require.Equal(t, n, w.clones)
	case "shared":
		require.Equal(t, n, w.overlaps)
		reads := map[bool]int{true: 100, false: 10_000}[strings.HasSuffix(work.Name, "reads=100")]
		require.Equal(t, 2*(n/reads), w.changes)
	default:
		t.Fatalf("no promise is known for the group %s", work.Group)
	}
}

func TestSharedReadsAreInTheName(t *testing.T) {
	for _, work := range sharedWorkloads() {
		require.Regexp(t, `/reads=(100|10000)$`, work.Name)
	}
}

func TestWorkloadsHaveNamesForBenchstat(t *testing.T) {
	name := regexp.MustCompile(`^\w+=[\w-]+(/\w+=[\w-]+)*$`)
	known := map[string]bool{}
	for _, work := range Workloads() {
		require.Regexp(t, name, work.Name)
		require.False(t, known[work.String()], "%s is there twice", work)
		known[work.String()] = true
		require.NotEmpty(t, work.Description)
		require.NotContains(t, work.Description, "\n")
	}
}

func TestWorkloadsAskTheSameOfEveryCore(t *testing.T) {
	for _, work := range Workloads() {
		if work.Group == "shared" || work.Blocks > 1000 {
			continue
		}
		asked := func(seed uint64) string {
			w := newWitness(t)
			w.logs = true
			run, err := work.Prepare(func() Core { return w }, seed)
			require.NoError(t, err)
			run(100)
			return w.log.String()
		}
		first := asked(1)
		require.Equal(t, first, asked(1), work)
		if work.Group == "any" || work.Group == "who" {
			require.NotEqual(t, first, asked(2), work)
		}
	}
}

func TestWorkloadsFitCoresThatHaveTheMethods(t *testing.T) {
	groups := func(core Core) map[string]bool {
		fit := map[string]bool{}
		for _, work := range Workloads() {
			if work.Fits(core) {
				fit[work.Group] = true
			}
		}
		return fit
	}
	all := map[string]bool{"any": true, "who": true, "churn": true, "find": true, "clone": true, "shared": true}
	require.Equal(t, all, groups(Berth()))
	require.Equal(t, map[string]bool{"any": true, "churn": true, "shared": true}, groups(struct{ Core }{Bitmap()}))
	without := map[string]bool{"any": true, "churn": true, "find": true, "clone": true, "shared": true}
	require.Equal(t, without, groups(Bitmap()))

	for _, work := range Workloads() {
		_, err := work.Prepare(func() Core { return struct{ Core }{Bitmap()} }, 1)
		if work.Fits(struct{ Core }{}) {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, ErrUnfit)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

// A brittleCore panics when it has many blocks.
type brittleCore struct {
	Core
	blocks *int
}

func (c brittleCore) Insert(r pool.Range) {
	if *c.blocks++; *c.blocks > 100 {
		panic("the tree is full")
	}
	c.Core.Insert(r)
}

func TestPanicWhileFillingIsAFault(t *testing.T) {
	for _, work := range Workloads() {
		if work.Blocks <= 100 {
			continue
		}
		_, err := work.Prepare(func() Core { return brittleCore{List(), new(int)} }, 1)
		if errors.Is(err, ErrUnfit) {
			continue
		}
		var fault *Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, "a panic: the tree is full", fault.Got)
	}
}

func TestLayoutsFillThePorts(t *testing.T) {
	for _, blocks := range blockCounts {
		for _, width := range widths {
			l := freshLayout(blocks, width)
			require.Len(t, l.blocks, blocks)
			free := 0
			for _, gap := range l.gaps {
				if gap.Count() >= width {
					free++
				}
			}
			require.NotZero(t, free, "%d blocks leave no room for %d ports", blocks, width)
		}
		require.Len(t, Blocks(blocks), blocks)
	}
}

func TestBlocksAreDisjoint(t *testing.T) {
	for _, count := range []int{1, 2, 3, 999, 21_845, 32_768, pool.MaxPort} {
		blocks := Blocks(count)
		require.Len(t, blocks, count)
		for i, block := range blocks[1:] {
			require.Greater(t, block.First(), blocks[i].Last())
		}
	}
}
