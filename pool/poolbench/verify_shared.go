package poolbench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

// The places that a [Sharer] is asked for. Between one that is always taken and one that never is, a
// block comes and goes.
var (
	alwaysTaken  = pool.MustParseRange("1000-1099")
	comesAndGoes = pool.MustParseRange("1100-1199")
	neverTaken   = pool.MustParseRange("1200-1299")
)

// share asks a core that says it may be shared by several goroutines while another one changes it. It
// returns the first wrong answer, nil for a core that is no [Sharer].
func (v *verification) share() *Fault {
	core, fault := v.make()
	if fault != nil {
		return fault
	}
	shared, ok := core.(Sharer)
	if !ok {
		return nil
	}
	v.found.Store(&Fault{Call: "calls of several goroutines at once", Got: fmt.Sprintf("no answer within %v", v.patience)})
	core.Insert(alwaysTaken)
	const readers, questions, changes = 4, 500, 100
	crowd := crowd{verification: v}
	crowd.owing.Store(readers + 1)
	var group sync.WaitGroup
	for range readers {
		group.Go(func() { crowd.call(questions, func() *Fault { return askShared(shared) }) })
	}
	crowd.call(changes, func() *Fault { return changeShared(shared) })
	group.Wait()
	return crowd.fault.Load()
}

// A crowd is several goroutines that make calls at once.
type crowd struct {
	*verification
	owing atomic.Int32          // goroutines that have not made their share of calls yet
	fault atomic.Pointer[Fault] // the first one
}

// call makes a share of calls, and more until everybody has made theirs, or has found a fault.
func (c *crowd) call(share int, do func() *Fault) {
	for made := 1; c.owing.Load() > 0 && c.fault.Load() == nil; made++ {
		if fault := do(); fault != nil {
			c.fault.CompareAndSwap(nil, fault)
		}
		if made <= share {
			c.made.Add(1) // beyond that it is no sign of life
		}
		if made == share {
			c.owing.Add(-1)
		}
		runtime.Gosched()
	}
}

func changeShared(core Sharer) (fault *Fault) {
	defer recoverShared(&fault, "a change beside readers")
	core.Insert(comesAndGoes)
	core.Delete(comesAndGoes)
	return nil
}

func askShared(core Sharer) (fault *Fault) {
	defer recoverShared(&fault, "a question beside a writer")
	for _, c := range []struct {
		place pool.Range
		want  bool
	}{{alwaysTaken, true}, {neverTaken, false}, {pool.AllPorts, true}} {
		if got := core.Overlaps(c.place); got != c.want {
			return &Fault{Call: fmt.Sprintf("Overlaps(%s) beside a writer", c.place), Got: fmt.Sprint(got), Want: fmt.Sprint(c.want)}
		}
	}
	if namer, ok := core.(Namer); ok {
		if got, ok := namer.Who(alwaysTaken); !ok || got != alwaysTaken {
			return &Fault{Call: fmt.Sprintf("Who(%s) beside a writer", alwaysTaken), Got: describe(got, ok), Want: alwaysTaken.String()}
		}
	}
	return nil
}

func recoverShared(fault **Fault, call string) {
	if value := recover(); value != nil {
		*fault = &Fault{Call: call, Got: fmt.Sprintf("a panic: %v", value)}
	}
}
