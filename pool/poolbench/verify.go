package poolbench

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// A Checker is a core that can check its own invariants. [VerifyCore] calls Check now and then and
// takes an error for a wrong answer.
type Checker interface {
	Core
	Check() error
}

// A Fault is the first wrong answer of a core.
type Fault struct {
	Call    string   // the call that was answered wrongly: "Overlaps(50000-50099)"
	Got     string   // the wrong answer: "true", "a panic: index out of range", "no answer within 10s"
	Want    string   // the right one; empty if the call has none
	History []string // calls on a new core that lead to the wrong answer, as few as were found
	Omitted int      // calls before those of History, which were too many; Seed makes them again
	Step    int      // how many calls were right before, of those that Seed makes
	Seed    uint64
}

// Error names the call, the answers, and what came before, the latest calls if they were many.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: got %s", f.Call, f.Got)
	if f.Want != "" {
		fmt.Fprintf(&b, ", want %s", f.Want)
	}
	history, omitted := f.History, f.Omitted
	if many := len(history) - lastCalls; many > 0 {
		history, omitted = history[many:], omitted+many
	}
	if len(history) > 0 {
		b.WriteString("; on a new core after ")
		if omitted > 0 {
			fmt.Fprintf(&b, "%d calls and then ", omitted)
		}
		b.WriteString(strings.Join(history, ", "))
	}
	fmt.Fprintf(&b, " (seed %d, call %d)", f.Seed, f.Step+1)
	return b.String()
}

// lastCalls is how many calls an error names, and a fault keeps that could not be narrowed down.
const lastCalls = 12

// VerifyCore puts a core through so many random calls, beside an obvious oracle, and returns the
// first wrong answer as a [*Fault], nil if all answers are right. Ranges are drawn where mistakes are
// made, blocks from few to many and from one port to all; copies are changed apart. The seed makes
// the same calls for every core with the same methods. A [Sharer] is then asked by several goroutines
// while one changes it; run that under the race detector.
//
// A core that panics has a fault, and so has one that does not return from a call within 10 seconds;
// the goroutine that waits for it is lost then.
func VerifyCore(new func() Core, operations int, seed uint64) error {
	v := &verification{new: new, operations: operations, seed: seed, patience: 10 * time.Second}
	if fault := v.run(); fault != nil {
		fault.Seed = seed
		return fault
	}
	return nil
}

// A verification is one run of VerifyCore.
type verification struct {
	new        func() Core
	operations int
	seed       uint64
	patience   time.Duration

	made  atomic.Int64          // calls made, those to narrow down included: it stands still if a core hangs
	step  atomic.Int64          // number of the call that is being made
	found atomic.Pointer[Fault] // a fault that is being narrowed down
}

// run makes the calls in a goroutine and watches over it.
func (v *verification) run() *Fault {
	done := make(chan *Fault, 1)
	go func() {
		defer close(done) // a core may end the goroutine
		done <- v.play()
	}()
	watch := time.NewTicker(v.patience)
	defer watch.Stop()
	for last := int64(-1); ; {
		select {
		case fault, returned := <-done:
			if !returned {
				return v.unreturned("runtime.Goexit instead of an answer")
			}
			return fault
		case <-watch.C:
			made := v.made.Load()
			if made == last {
				return v.unreturned(fmt.Sprintf("no answer within %v", v.patience))
			}
			last = made
		}
	}
}

// play makes the calls and returns the fault that it comes upon.
func (v *verification) play() *Fault {
	core, fault := v.make()
	if fault != nil {
		return fault
	}
	s, d := newScript(v.seed, core), newDuel(core)
	for step := range v.operations {
		v.step.Store(int64(step))
		v.made.Add(1)
		if fault := d.make(s.next(d)); fault != nil {
			fault.Step = step
			fault.History, fault.Omitted = tail(v.calls(step))
			v.found.Store(fault)
			return v.narrow(fault)
		}
	}
	return v.share()
}

// make makes a core.
func (v *verification) make() (core Core, fault *Fault) {
	defer func() {
		if value := recover(); value != nil {
			fault = &Fault{Call: "making the core", Got: fmt.Sprintf("a panic: %v", value)}
		}
	}()
	v.made.Add(1)
	if core = v.new(); core == nil {
		return nil, &Fault{Call: "making the core", Got: "nil", Want: "a core"}
	}
	return core, nil
}

// calls returns the first count calls of the seed, by asking the oracles alone.
func (v *verification) calls(count int) []call {
	s, d := newScript(v.seed, v.new()), newDuel(nil)
	calls := make([]call, 0, count)
	for range count {
		v.made.Add(1)
		c := s.next(d)
		d.teach(c)
		calls = append(calls, c)
	}
	return calls
}

// unreturned returns the fault of a core that did not come back. If it was found wrong before, and
// hung only while that was narrowed down, the wrong answer is the fault.
func (v *verification) unreturned(got string) *Fault {
	if fault := v.found.Load(); fault != nil {
		return fault
	}
	step := int(v.step.Load())
	calls := v.calls(step + 1)
	fault := &Fault{Call: calls[step].String(), Got: got, Step: step}
	fault.History, fault.Omitted = tail(calls[:step])
	return fault
}

// tail returns the last calls in words, and how many come before them.
func tail(calls []call) (history []string, omitted int) {
	omitted = max(0, len(calls)-lastCalls)
	return inWords(calls[omitted:]), omitted
}

func inWords(calls []call) []string {
	words := make([]string, len(calls))
	for i, c := range calls {
		words[i] = c.String()
	}
	return words
}
