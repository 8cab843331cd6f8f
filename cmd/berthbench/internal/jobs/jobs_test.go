package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test program is its own helper.
const helperWord = "jobs-helper"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == helperWord {
		if err := RunHelper(context.Background(), os.Args[2], nil, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// A helper with the race detector would sleep for a second before it ends.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func helperLine(t testing.TB) []string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return []string{program, helperWord}
}

func prepare(t *testing.T, job Job, directory string) Measure {
	t.Helper()
	measure, err := job.Prepare(t.Context(), directory)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this computer cannot do it: %v", err)
	}
	require.NoError(t, err)
	return measure
}

// successRates are the shares of attempts that must succeed, by work and subject. Who is not named
// may do as it likes: that is what is measured.
var successRates = map[string]float64{
	"udp-port/full=0/berth":                 1,
	"udp-port/full=50/berth":                1,
	"udp-port/full=90/berth":                1,
	"udp-port/full=99/berth":                1,
	"udp-port/full=0/thief/berth":           1,
	"udp-port/full=0/berth, no block":       1,
	"udp-port/full=50/berth, no block":      1,
	"udp-port/full=90/berth, no block":      1,
	"udp-port/full=99/berth, no block":      1,
	"udp-port/full=0/thief/berth, no block": 1,
	"udp-port/full=0/net":                   1,
	"udp-port/full=99/net":                  1,
	"udp-port/full=0/thief/net":             1,
	"udp-port/full=0/thief/portal":          0,
	"udp-port/full=0/thief/phayes":          0,
	"udp-port/full=0/thief/consul":          0,
}

// TestEveryJob runs every job once and requires that its answer is sane and that nothing of it stays.
func TestEveryJob(t *testing.T) {
	for _, job := range All(Options{Quick: true, Helper: helperLine(t)}) {
		name := job.Group + "/" + job.Work.Name + "/" + job.Subject
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			measure := prepare(t, job, directory)
			cost, attempts, successes, err := measure.Sample(t.Context())
			require.NoError(t, err)
			require.Positive(t, cost)
			require.Positive(t, attempts)
			if rate, known := successRates[name]; known {
				require.InDelta(t, rate, float64(successes)/float64(attempts), 0)
			} else if job.Group != groupPorts {
				require.Equal(t, attempts, successes)
			}
			t.Logf("%.0f %s, %d of %d", cost, job.Unit, successes, attempts)
			require.NoError(t, measure.Close())
			require.NoError(t, measure.Close(), "a second close does nothing")
			left, err := os.ReadDir(directory)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestJobsAreDescribed requires what the tables are made of.
func TestJobsAreDescribed(t *testing.T) {
	type place struct{ group, work, subject string }
	seen := map[place]bool{}
	var works []string // in order
	for _, job := range All(Options{Helper: []string{"helper"}, Podman: []string{"podman"}}) {
		at := place{job.Group, job.Work.Name, job.Subject}
		require.False(t, seen[at], "%v twice", at)
		seen[at] = true
		require.NotEmpty(t, job.Work.Description)
		require.NotContains(t, job.Work.Description, "\n")
		require.Contains(t, []string{"ns/op", "B/record"}, job.Unit)
		require.NotContains(t, job.Work.Name, " ")
		if work := job.Group + "/" + job.Work.Name; len(works) == 0 || works[len(works)-1] != work {
			require.NotContains(t, works, work, "jobs of one work stand together")
			works = append(works, work)
		}
	}
	require.True(t, seen[place{"durable-create", "writers=64", podmanSubject}])
	require.Empty(t, selectJobs(All(Options{}), groupPorts), "no helper, no ports")
}

func selectJobs(all []Job, group string) []Job {
	var chosen []Job
	for _, job := range all {
		if job.Group == group {
			chosen = append(chosen, job)
		}
	}
	return chosen
}

// TestInterruptedSamples cancels samples that would take hours.
func TestInterruptedSamples(t *testing.T) {
	const endless = 1 << 40
	prepares := map[string]func(directory string) (Measure, error){
		"ports": func(directory string) (Measure, error) {
			return preparePorts(t.Context(), directory, helperLine(t), peerCalled(t, "net"), portWork{}, endless)
		},
	}
	for _, keeper := range keepers() {
		prepares[keeper.name] = func(directory string) (Measure, error) {
			return prepareDurable(t.Context(), directory, keeper, 2, endless)
		}
	}
	for name, prepare := range prepares {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			measure, err := prepare(directory)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("this computer cannot do it: %v", err)
			}
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			failure := make(chan error)
			go func() {
				_, _, _, err := measure.Sample(ctx)
				failure <- err
			}()
			cancel()
			require.ErrorIs(t, <-failure, context.Canceled)
			_, _, _, err = measure.Sample(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, measure.Close())
			left, err := os.ReadDir(directory)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func peerCalled(t *testing.T, name string) Peer {
	t.Helper()
	for _, peer := range peers(nil) {
		if peer.Name == name {
			return peer
		}
	}
	t.Fatalf("no peer is called %s", name)
	return Peer{}
}

// TestPreparingFails requires that nothing stays behind after a failure.
func TestPreparingFails(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		line []string
		peer string
		want string
	}{
		{"no such program", t.Context(), []string{"/does/not/exist"}, "net", "start the helper"},
		{"a program that is no helper", t.Context(), []string{helperLine(t)[0], "-test.run=^$"}, "net", "no helper"},
		{"unknown peer", t.Context(), helperLine(t), "nobody", `no peer is called "nobody"`},
		{"cancelled", cancelled, helperLine(t), "net", "canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			directory := t.TempDir()
			_, err := preparePorts(c.ctx, directory, c.line, Peer{Name: c.peer, Draws: GivenPorts}, portWork{}, 1)
			require.ErrorContains(t, err, c.want)
			left, err := os.ReadDir(directory)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	_, err := prepareDurable(t.Context(), t.TempDir()+"/missing", keepers()[0], 1, 1)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestHelperRoles(t *testing.T) {
	err := RunHelper(t.Context(), "cook", nil, strings.NewReader(""), new(strings.Builder))
	require.ErrorContains(t, err, `"cook"`)
	for _, role := range []string{rolePorts, roleNeighbour} {
		require.NoError(t, RunHelper(t.Context(), role, nil, strings.NewReader(""), new(strings.Builder)))
		require.Error(t, RunHelper(t.Context(), role, nil, strings.NewReader("nonsense"), new(strings.Builder)))
	}
}
