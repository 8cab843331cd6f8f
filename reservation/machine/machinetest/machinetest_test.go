package machinetest_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// A recorder is a test whose end and failures a test can look at.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
	logs     []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool     { return len(r.errors) > 0 }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Logf(format string, args ...any) {
	r.logs = append(r.logs, fmt.Sprintf(format, args...))
}

func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func TestCleanTestPasses(t *testing.T) {
	r := &recorder{TB: t}
	m := machinetest.New(r)
	p := m.Process("alice", machine.Elevated)
	_, err := p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("40000+10"), "")
	require.NoError(t, err)
	endpoint, err := p.Open(t.Context(), machine.UDP)
	require.NoError(t, err)
	_, err = endpoint.Acquire(t.Context(), reservation.Request{Count: 3})
	require.NoError(t, err)
	p.Exit()
	m.Process("bob", machine.Plain) // runs on and has nothing
	_, err = m.Occupy(machine.TCP, 8080, "nginx.exe")
	require.NoError(t, err)
	r.end()
	require.Empty(t, r.errors)
	require.Empty(t, r.logs)
	require.NoError(t, m.Close())
}

func TestLeaksFail(t *testing.T) {
	tests := map[string]struct {
		leak func(*testing.T, *machine.Machine, *machine.Process)
		want string
	}{
		"unbound socket": {func(t *testing.T, m *machine.Machine, p *machine.Process) {
			_, err := p.OpenSocket(reservation.IPv4, machine.UDP)
			require.NoError(t, err)
		}, "leaked socket udp unbound, process 1000 (program.exe)"},
		"bound socket": {func(t *testing.T, m *machine.Machine, p *machine.Process) {
			s, err := p.OpenSocket(reservation.IPv4, machine.UDP)
			require.NoError(t, err)
			require.NoError(t, s.Bind(netip.MustParseAddrPort("127.0.0.1:5000")))
		}, "leaked socket udp 127.0.0.1:5000, process 1000 (program.exe)"},
		"runtime reservation": {func(t *testing.T, m *machine.Machine, p *machine.Process) {
			endpoint, err := p.Open(t.Context(), machine.UDP)
			require.NoError(t, err)
			_, err = endpoint.Acquire(t.Context(), reservation.Request{First: 5000, Count: 3})
			require.NoError(t, err)
		}, "leaked block udp 5000-5002 runtime, process 1000 (program.exe)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			m := machinetest.New(r)
			test.leak(t, m, m.Process("alice", machine.Plain))
			r.end()
			require.Equal(t, []string{test.want}, r.errors)
			require.Contains(t, strings.Join(r.logs, "\n"), "process 1000 program.exe, user \"alice\", plain", "the dump is shown")
		})
	}
}

func TestGoroutineLeakFails(t *testing.T) {
	r := &recorder{TB: t}
	machinetest.New(r)
	started, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go leakedGoroutine(started, release, done)
	<-started
	r.end()
	require.Len(t, r.errors, 1)
	require.Contains(t, r.errors[0], "leakedGoroutine")
	close(release)
	<-done
}

func leakedGoroutine(started, release, done chan struct{}) {
	close(started)
	<-release
	close(done)
}

func TestBlockedCallsEndWithTheMachine(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("alice", machine.Plain)
	s, err := p.OpenSocket(reservation.IPv4, machine.UDP)
	require.NoError(t, err)
	require.NoError(t, s.Bind(netip.MustParseAddrPort("127.0.0.1:5000")))
	ended := make(chan error, 1)
	go func() {
		_, _, err := s.Receive(context.Background(), make([]byte, 1))
		ended <- err
	}()
	p.Exit()
	require.ErrorIs(t, <-ended, reservation.ErrClosed)
}

func TestBadConfigEndsTheTest(t *testing.T) {
	ended := make(chan bool)
	go func() {
		defer func() { ended <- true }()
		machinetest.NewFrom(&fatal{TB: t}, machine.Config{TimeWait: -1})
		t.Error("NewFrom returned")
	}()
	require.True(t, <-ended)
}

// fatal is a test whose Fatalf ends its goroutine alone.
type fatal struct{ testing.TB }

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, args ...any) {
	runtime.Goexit()
}
