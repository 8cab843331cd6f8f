package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// Run verifies and measures. It always returns the run with the figures that are complete. The error
// is ctx's if it was interrupted; then Complete is false. A core with a fault has a verdict and no
// figures; what this computer cannot do is in the notes.
func (p Plan) Run(ctx context.Context, machine result.Machine) (*result.Run, error) {
	r := &running{
		plan: p,
		run:  &result.Run{Machine: machine, Started: time.Now().UTC().Truncate(time.Second), Seed: p.Seed},
	}
	err := r.all(ctx)
	r.run.Complete = err == nil
	return r.run, err
}

// running is a run that is on its way.
type running struct {
	plan    Plan
	run     *result.Run
	started time.Time
	paces   [kinds]pace
}

// A pace is how contests of a kind go: what is planned for those to come, and what was planned for
// those that are over beside what they took.
type pace struct{ left, planned, taken time.Duration }

// estimate returns how long something will take that was planned to take so long.
func (p pace) estimate(planned time.Duration) time.Duration {
	if p.planned == 0 {
		return planned
	}
	return time.Duration(float64(planned) * float64(p.taken) / float64(p.planned))
}

func (r *running) all(ctx context.Context) error {
	r.started = time.Now()
	contests := r.plan.contests()
	for _, c := range contests {
		r.paces[c.kind].left += c.planned
	}
	r.observe("verifying", 0)
	err := Verify(ctx, r.plan.Cores, r.plan.Operations, r.plan.Seed, func(verdict result.Verdict) {
		r.run.Verified = append(r.run.Verified, verdict)
		r.observe("verified "+verdict.Core, 0)
	})
	if err != nil {
		return err
	}
	for _, c := range contests {
		pace := &r.paces[c.kind]
		pace.left -= c.planned
		start := time.Now()
		if err := r.contest(ctx, c); err != nil {
			return err
		}
		pace.planned += c.planned
		pace.taken += time.Since(start)
	}
	return nil
}

// observe tells how far the run is; now is how long the contest that is on will still take.
func (r *running) observe(doing string, now time.Duration) {
	if r.plan.Observe == nil {
		return
	}
	left := now
	for _, pace := range r.paces {
		left += pace.estimate(pace.left)
	}
	r.plan.Observe(Progress{Doing: doing, Done: time.Since(r.started), Left: left})
}

// contest measures one piece of work. Its figures count if all rounds were made.
func (r *running) contest(ctx context.Context, c contest) error {
	entrants, err := r.enter(ctx, c)
	defer func() {
		for _, e := range entrants {
			if err := e.sampler.Close(); err != nil {
				r.note("%s, %s: cannot clean up: %v", c.name, e.figure.Subject, err)
			}
		}
	}()
	if err != nil {
		return err
	}
	runtime.GC() // nobody pays for what filling has left behind
	estimate := r.paces[c.kind].estimate(c.planned)
	for round := range r.plan.Rounds {
		r.observe(c.name, estimate*time.Duration(r.plan.Rounds-round)/time.Duration(r.plan.Rounds))
		for _, e := range entrants {
			if e.failed {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.sample(ctx); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				e.failed = true
				r.fail(c, e, err)
			}
		}
	}
	for _, e := range entrants {
		if !e.failed {
			r.run.Figures = append(r.run.Figures, e.figure)
		}
	}
	return nil
}

// An entrant is a contender that is ready.
type entrant struct {
	sampler sampler
	core    string
	figure  result.Figure
	failed  bool
}

// enter prepares all contenders. What it returns must be closed, after an error too.
func (r *running) enter(ctx context.Context, c contest) ([]*entrant, error) {
	var entrants []*entrant
	for _, contender := range c.contenders {
		if err := ctx.Err(); err != nil {
			return entrants, err
		}
		if r.hasFault(contender.core) {
			continue
		}
		e := &entrant{core: contender.core, figure: result.Figure{
			Group: c.group, Work: c.work, Subject: contender.subject, Unit: c.unit, Properties: contender.properties,
		}}
		var err error
		e.sampler, err = contender.prepare(ctx)
		switch {
		case err == nil:
			entrants = append(entrants, e)
		case ctx.Err() != nil:
			return entrants, ctx.Err()
		default:
			r.fail(c, e, err)
		}
	}
	return entrants, nil
}

func (e *entrant) sample(ctx context.Context) error {
	value, attempts, successes, err := e.sampler.sample(ctx)
	if err != nil {
		return err
	}
	e.figure.Samples = append(e.figure.Samples, value)
	e.figure.Attempts += attempts
	e.figure.Successes += successes
	return nil
}

// fail says what went wrong. A core that panics has a fault, and is asked nothing more.
func (r *running) fail(c contest, e *entrant, err error) {
	var panicked *panicError
	verdict := slices.IndexFunc(r.run.Verified, func(v result.Verdict) bool { return v.Core == e.core })
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		r.note("%s leaves out %s: %v", c.name, e.figure.Subject, err)
	case errors.As(err, &panicked) && verdict >= 0:
		r.run.Verified[verdict].Fault = fmt.Sprintf("in %s: %v", c.name, err)
	default:
		r.note("%s, %s: %v", c.name, e.figure.Subject, err)
	}
}

func (r *running) note(format string, arguments ...any) {
	r.run.Notes = append(r.run.Notes, fmt.Sprintf(format, arguments...))
}

func (r *running) hasFault(core string) bool {
	return core != "" && slices.ContainsFunc(r.run.Verified, func(v result.Verdict) bool { return v.Core == core && v.Fault != "" })
}
