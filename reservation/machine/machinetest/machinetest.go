// Package machinetest gives tests a simulated computer of their own that looks for what they leak:
//
//	func TestServerSurvivesRestart(t *testing.T) {
//		m := machinetest.New(t)
//		p := m.Process("alice", machine.Elevated)
//		server := startServer(p.API(), p.Network())
//		...
//		server.Close() // or p.Exit(), or the test fails for what is left
//	}
package machinetest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berthkit/berth/reservation/machine"
)

// New returns a machine for one test or benchmark, with seed 1; see [NewFrom].
func New(t testing.TB) *machine.Machine {
	t.Helper()
	return NewFrom(t, machine.Config{Seed: 1})
}

// NewFrom returns a machine for one test. When the test ends, after the cleanups that it registers
// itself, the machine is examined and closed, and the test fails if
//
//   - a process still has a socket or a runtime reservation ([machine.Machine.Leaks]); one that has
//     exited has none, nor has one from before a reboot. Persistent reservations may stay;
//   - a goroutine that the test has started since New still runs.
//
// A test that has failed, by this or otherwise, logs the machine's dump. NewFrom ends the test at once
// if the machine cannot be made. It must be called on the test's own goroutine.
func NewFrom(t testing.TB, config machine.Config) *machine.Machine {
	t.Helper()
	m, err := machine.New(config)
	if err != nil {
		t.Fatalf("no machine: %v", err)
	}
	label := markGoroutines()
	t.Cleanup(func() {
		t.Helper()
		examine(t, m, label)
	})
	return m
}

func examine(t testing.TB, m *machine.Machine, label string) {
	t.Helper()
	for _, leak := range m.Leaks() {
		t.Errorf("leaked %s", leak)
	}
	var dump bytes.Buffer
	m.WriteTo(&dump) // a buffer takes everything
	if err := m.Close(); err != nil {
		t.Errorf("close the machine: %v", err)
	}
	pprof.SetGoroutineLabels(context.Background()) // the test's own goroutine is none of those it has started
	if goroutines := waitForGoroutines(label); goroutines != "" {
		t.Errorf("leaked goroutines:\n%s", goroutines)
	}
	if t.Failed() {
		t.Logf("the machine at the end of the test:\n%s", &dump)
	}
}

// labelKey is under which goroutines carry the mark of the test that has started them. Goroutines
// inherit labels, so that tests which run in parallel do not see each other's.
const labelKey = "machinetest"

var machines atomic.Uint64 // counts marks, so that each is another

func markGoroutines() string {
	label := fmt.Sprint(machines.Add(1))
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, label)))
	return label
}

// patience is how long goroutines get to come to their end once nothing holds them any more.
const patience = 2 * time.Second

// waitForGoroutines returns the stacks of marked goroutines that do not end.
func waitForGoroutines(label string) string {
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		stacks := goroutinesWith(label)
		if stacks == "" || time.Now().After(deadline) {
			return stacks
		}
	}
}

func goroutinesWith(label string) string {
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1) // a buffer takes everything
	mark := fmt.Sprintf("%q:%q", labelKey, label)
	var marked []string
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		if strings.Contains(stack, mark) {
			marked = append(marked, stack)
		}
	}
	return strings.Join(marked, "\n\n")
}
