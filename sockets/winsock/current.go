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
	computer, err := system.Open(context.Background(), nil)
	if err != nil {
		return &Process{absence: err}
	}
	return New(computer, RealNetwork())
})

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
