package winsock

import "sync/atomic"

// currentProcess is whom the functions of the package act for. The one mutable variable of the
// package: functions without a receiver have no other place to look.
var currentProcess atomic.Pointer[Process]

// SetProcess makes p the process that the functions of this package act for, as a program does at
// the beginning of main, and returns what makes the one before current again. Without a process
// every function fails with WSANOTINITIALISED. It is safe for concurrent use, but there is only one
// current process at a time: tests that run in parallel call the methods of their own.
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

func current() *Process { return currentProcess.Load() }
