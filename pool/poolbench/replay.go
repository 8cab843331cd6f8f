package poolbench

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
)

// TraceWorkloads reads a trace and returns the workloads that play it. Name names the first of them,
// which plays everything. Where that asks more than every core can answer, others follow:
// "NAME/ask=who" without searches, and "NAME/ask=any" with Overlaps in the place of Who besides.
//
// A trace is played in a circle: what is left at its end is deleted, by operations that count, and it
// begins anew. UDP and TCP have a core each. The error is that of [trace.Reader], or says that the
// trace is empty or has more than 4 million operations.
func TraceWorkloads(name string, r io.Reader) ([]Workload, error) {
	all, err := readSteps(r, maxSteps)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", name, err)
	}
	has := func(verb trace.Verb) bool {
		return slices.ContainsFunc(all.steps, func(s step) bool { return s.verb == verb })
	}
	asksWho, asksFind := has(trace.Who), has(trace.Find)
	var needs abilities
	if asksWho {
		needs |= naming
	}
	if asksFind {
		needs |= finding
	}
	workloads := []Workload{all.workload(name, needs)}
	if asksWho && asksFind {
		named := all.without(trace.Find).workload(name, naming)
		workloads = append(workloads, named.named("ask=who", "searches are left out"))
	}
	if rest := all.without(trace.Find); asksWho || asksFind && len(rest.steps) > 0 {
		plain := rest.anyForWho().workload(name, 0)
		workloads = append(workloads, plain.named("ask=any", "searches are left out, and Who is asked as Overlaps"))
	}
	return workloads, nil
}

// maxSteps is the longest trace that is read, in operations: some 50 MB of them.
const maxSteps = 4 << 20

// A step is an operation of a trace in few bytes.
type step struct {
	verb         trace.Verb
	core         uint8 // 0 for UDP, 1 for TCP
	r            pool.Range
	count, align uint16 // of trace.Find
}

func stepOf(op trace.Operation) step {
	s := step{verb: op.Verb, r: op.Range, count: uint16(op.Count), align: uint16(op.Align)}
	if op.Protocol == pool.TCP {
		s.core = 1
	}
	return s
}

// steps are a trace that ends as it begins, with no blocks.
type steps struct {
	steps []step
	most  int // blocks at once, of both protocols
}

// readSteps reads a trace of at most limit operations.
func readSteps(r io.Reader, limit int) (steps, error) {
	var all steps
	left := map[step]bool{} // the deletions that are due at the end
	for reader := trace.NewReader(r); ; {
		op, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return steps{}, err
		}
		if len(all.steps) == limit {
			return steps{}, fmt.Errorf("it has more than %d operations; cut it in two", limit)
		}
		s := stepOf(op)
		all.steps = append(all.steps, s)
		switch deletion := (step{verb: trace.Delete, core: s.core, r: s.r}); s.verb {
		case trace.Insert:
			left[deletion] = true
		case trace.Delete:
			delete(left, deletion)
		}
		all.most = max(all.most, len(left))
	}
	if len(all.steps) == 0 {
		return steps{}, errors.New("it has no operations")
	}
	all.steps = append(all.steps, sorted(left)...)
	return all, nil
}

func sorted(left map[step]bool) []step {
	deletions := make([]step, 0, len(left))
	for s := range left {
		deletions = append(deletions, s)
	}
	slices.SortFunc(deletions, func(a, b step) int {
		if a.core != b.core {
			return int(a.core) - int(b.core)
		}
		return a.r.Compare(b.r)
	})
	return deletions
}

func (s steps) without(verb trace.Verb) steps {
	s.steps = slices.DeleteFunc(slices.Clone(s.steps), func(s step) bool { return s.verb == verb })
	return s
}

func (s steps) anyForWho() steps {
	s.steps = slices.Clone(s.steps)
	for i := range s.steps {
		if s.steps[i].verb == trace.Who {
			s.steps[i].verb = trace.Overlaps
		}
	}
	return s
}

func (s steps) workload(name string, needs abilities) Workload {
	return Workload{
		Group:       "trace",
		Name:        name,
		Description: fmt.Sprintf("%d operations of a recorded trace, at most %s at once", len(s.steps), counted(s.most, "block")),
		Blocks:      s.most,
		needs:       needs,
		prepare: func(new func() Core, _ *rand.Rand) func(n int) {
			p := player{steps: s.steps}
			for i := range p.cores {
				p.cores[i] = new()
				p.namers[i], _ = p.cores[i].(Namer)
				p.finders[i], _ = p.cores[i].(Finder)
			}
			return p.play
		},
	}
}

// A player plays a trace in a circle.
type player struct {
	steps   []step
	next    int
	cores   [2]Core
	namers  [2]Namer  // the same cores, nil if they are none
	finders [2]Finder // as above
	tally   int
}

func (p *player) play(n int) {
	tally := 0
	for range n {
		s := &p.steps[p.next]
		switch core := s.core & 1; s.verb {
		case trace.Insert:
			p.cores[core].Insert(s.r)
		case trace.Delete:
			p.cores[core].Delete(s.r)
		case trace.Overlaps:
			if p.cores[core].Overlaps(s.r) {
				tally++
			}
		case trace.Who:
			if block, ok := p.namers[core].Who(s.r); ok {
				tally += int(block.First())
			}
		case trace.Find:
			if found, ok := p.finders[core].FindFree(int(s.count), s.r, int(s.align)); ok {
				tally += int(found.First())
			}
		}
		if p.next++; p.next == len(p.steps) {
			p.next = 0
		}
	}
	p.tally += tally
}
