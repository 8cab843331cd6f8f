// Package runner does the measuring: it verifies every core, and then samples all that do the same
// work in turns, A B C A B C, so that what slows the computer down for a while slows all of them.
package runner

import (
	"context"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/pool/poolbench"
)

// A Plan is what a run does. Every field but Observe must be set; lists may be empty.
type Plan struct {
	Cores      []cores.Entry
	Work       []poolbench.Workload
	Memory     []int      // the numbers of blocks at which memory is measured
	Jobs       []jobs.Job // those of one work behind each other
	Rounds     int        // samples of each figure, at least 1
	Sample     time.Duration
	Operations int    // of each core's verification
	Seed       uint64 // of verification and workloads
	Directory  string // an existing folder, on the disk that durable jobs are measured on

	// JobSample is how long a sample of a job takes, roughly: it serves the progress alone.
	JobSample time.Duration

	// Observe is called, from one goroutine at a time, when something begins or goes on.
	Observe func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Doing string        // "any/blocks=1000/width=16/hit=50"
	Done  time.Duration // since the start
	Left  time.Duration // as far as can be told
}

// A contest is one piece of work and those who do it in turns.
type contest struct {
	name       string // for progress
	group      string
	work       result.Work
	unit       string
	planned    time.Duration
	kind       kind
	contenders []contender
}

// kind tells contests apart whose durations are foretold by different means.
type kind int

const (
	ofCores kind = iota
	ofJobs
	kinds
)

// A contender is one subject in a contest.
type contender struct {
	subject    string
	core       string // the name of the core, to leave it out once it has a fault; empty for jobs
	properties []string
	prepare    func(ctx context.Context) (sampler, error)
}

// A sampler gives the samples of one contender.
type sampler interface {
	sample(ctx context.Context) (value float64, attempts, successes int, err error)
	Close() error
}

// Duration returns how long the measuring of the plan takes, roughly, without the verification.
func (p Plan) Duration() time.Duration {
	total := time.Duration(0)
	for _, c := range p.contests() {
		total += c.planned
	}
	return total
}

// Figures returns the number of figures that the run finds if all goes well.
func (p Plan) Figures() int {
	figures := 0
	for _, c := range p.contests() {
		figures += len(c.contenders)
	}
	return figures
}

// contests returns what is to be measured, in order.
func (p Plan) contests() []contest {
	var all []contest
	for _, blocks := range p.Memory {
		all = append(all, p.memoryContest(blocks))
	}
	for _, work := range p.Work {
		if c := p.coreContest(work); len(c.contenders) > 0 {
			all = append(all, c)
		}
	}
	return append(all, p.jobContests()...)
}

func (p Plan) coreContest(work poolbench.Workload) contest {
	c := contest{
		name:  work.String(),
		group: work.Group,
		work: result.Work{
			Name: work.Name, Description: work.Description,
			Blocks: work.Blocks, Width: work.Width, Hit: work.Hit, Fill: work.Fill, Goroutines: work.Goroutines,
		},
		unit: "ns/op",
	}
	for _, entry := range p.Cores {
		if entry.CanDo(work) {
			c.contenders = append(c.contenders, contender{
				subject: entry.Name, core: entry.Name, properties: entry.Facts(),
				prepare: func(context.Context) (sampler, error) { return newBatch(work, entry, p.Sample, p.Seed) },
			})
		}
	}
	// Beside the rounds: filling the core, and finding the length of a batch.
	const beside = 2
	c.planned = time.Duration(len(c.contenders)*(p.Rounds+beside)) * p.Sample
	return c
}

func (p Plan) jobContests() []contest {
	var all []contest
	for _, job := range p.Jobs {
		last := len(all) - 1
		if last < 0 || all[last].group != job.Group || all[last].work != job.Work || all[last].unit != job.Unit {
			all = append(all, contest{
				name: job.Group + "/" + job.Work.Name, group: job.Group, work: job.Work, unit: job.Unit, kind: ofJobs,
			})
			last++
		}
		all[last].contenders = append(all[last].contenders, contender{
			subject: job.Subject, properties: job.Properties,
			prepare: func(ctx context.Context) (sampler, error) { return newJobSampler(ctx, job, p.Directory) },
		})
		all[last].planned += time.Duration(p.Rounds) * p.JobSample
	}
	return all
}
