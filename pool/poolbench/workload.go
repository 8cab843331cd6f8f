package poolbench

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// A Workload is one piece of work that cores are compared on. Its block layout and its sequence of
// questions depend on the seed alone, so every core gets the same ones in the same order.
type Workload struct {
	// Group says what one operation is:
	//
	//   any     Overlaps: is any port of this range taken?
	//   who     Who: which block is in the way? (a Namer)
	//   churn   Delete, Overlaps, Insert: a block goes and another one comes
	//   find    FindFree: the first free run, or that there is none (a Finder)
	//   clone   Clone, alone or with the first change after it (a Cloner)
	//   shared  Overlaps by several goroutines beside one that changes blocks
	//   trace   one operation of a recorded trace
	Group string

	Name        string // unique within the group, in parts for benchstat: "blocks=1000/width=16/hit=50"
	Description string // one line

	Blocks     int // blocks in the core when an operation begins
	Width      int // ports of a query; of a block in churn, of the run searched for in find; 0 if mixed
	Hit        int // percent of the queries that find something taken, in any and who
	Fill       int // percent of the ports that are taken, if the workload sets it; otherwise 0
	Goroutines int // that ask in shared, beside the one that changes; otherwise 0, which means one

	needs   abilities
	prepare func(new func() Core, random *rand.Rand) func(n int)
}

// String returns the group and the name: "any/blocks=1000/width=16/hit=50".
func (w Workload) String() string { return w.Group + "/" + w.Name }

// ErrUnfit is what the error of [Workload.Prepare] wraps if a core lacks a method that the work needs.
var ErrUnfit = fmt.Errorf("the core lacks a method that this work needs: %w", errors.ErrUnsupported)

// Fits reports whether a core has the methods that the work needs.
func (w Workload) Fits(core Core) bool { return abilitiesOf(core)&w.needs == w.needs }

// Prepare makes a core, fills it, and returns a function that performs n operations; time that one.
// It may be called again and again, from one goroutine at a time: whatever n, the core is full as before
// or the next call goes on from where it is. What it asks depends on the seed and on nothing else.
//
// The error wraps [ErrUnfit] if the core lacks a method, and is a [*Fault] if the core panics while
// it is filled. The returned function does not catch panics and checks no answer: that is what
// [VerifyCore] is for, and it comes first.
func (w Workload) Prepare(new func() Core, seed uint64) (run func(n int), err error) {
	defer func() {
		if value := recover(); value != nil {
			run, err = nil, &Fault{Call: "filling for " + w.String(), Got: fmt.Sprintf("a panic: %v", value), Seed: seed}
		}
	}()
	if core := new(); !w.Fits(core) {
		return nil, fmt.Errorf("%s on %T: %w", w, core, ErrUnfit)
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(w.String()))
	return w.prepare(new, rand.New(rand.NewPCG(seed, hash.Sum64()))), nil
}

// abilities is a set of the optional methods of cores.
type abilities uint8

const (
	naming abilities = 1 << iota
	finding
	cloning
)

func abilitiesOf(core Core) abilities {
	var found abilities
	if _, ok := core.(Namer); ok {
		found |= naming
	}
	if _, ok := core.(Finder); ok {
		found |= finding
	}
	if _, ok := core.(Cloner); ok {
		found |= cloning
	}
	return found
}
