package winsock

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/berthkit/berth/reservation/system"
)

// currentProcess is whom the functions of the package act for, nil for this program itself. Functions
// without a receiver have no other place to look.
var currentProcess atomic.Pointer[Process]

// thisProgram is the process that this program is on its own computer. It is made when a function of
// the package first needs it, and ends with the program.
var thisProgram = sync.OnceValue(func() *Process {
	computer, err := openComputer(context.Background())
	if err != nil {
		return &Process{absence: err}
	}
	return New(computer, RealNetwork())
})

// openComputer opens this computer for looking: sockets need no more of the store than its tokens, and
// whoever holds it keeps other programs from changing it. It is opened to write before, and closed
// again, so that there is a store and the tokens of this boot are drawn.
func openComputer(ctx context.Context) (*system.Computer, error) {
	computer, err := system.Open(ctx, nil)
	if err != nil || computer.StorePath() == "" { // Windows keeps its reservations itself
		return computer, err
	}
	if err := computer.Close(); err != nil {
		return nil, err
	}
	return system.Open(ctx, &system.Options{ReadOnly: true})
}

// SetProcess makes p the process that the functions of this package act for, and returns what makes
// the one before current again. Nil, as at the beginning, is this program itself on its own computer:
// its store at the usual place, real sockets, the privileges that package reservation/system
// describes. It is safe for concurrent use, but there is only one current process at a time: tests
// that run in parallel call the methods of their own.
func SetProcess(p *Process) (restore func()) {
	before := currentProcess.Swap(p)
	return func() { currentProcess.Store(before) }
}

// A Test is as much of testing.TB as [Use] needs.
type Test interface {
	Helper()
	Cleanup(func())
}

// Use makes p the current process until the test ends; then p exits and the one before is current again.
func Use(t Test, p *Process) {
	t.Helper()
	restore := SetProcess(p)
	t.Cleanup(func() {
		restore()
		_ = p.Exit()
	})
}

func current() *Process {
	if p := currentProcess.Load(); p != nil {
		return p
	}
	return thisProgram()
}
