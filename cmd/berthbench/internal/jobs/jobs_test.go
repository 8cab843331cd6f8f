package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
)

// The test program is its own helper.
const helperWord = "jobs-helper"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == helperWord {
		if err := jobs.RunHelper(context.Background(), os.Args[2], nil, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func options(t testing.TB) jobs.Options {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return jobs.Options{Quick: true, Helper: []string{program, helperWord}}
}

// TestEveryJob runs every job once and requires that its answer is sane and that nothing of it stays.
func TestEveryJob(t *testing.T) {
	for _, job := range jobs.All(options(t)) {
		t.Run(job.Group+"/"+job.Work.Name+"/"+job.Subject, func(t *testing.T) {
			directory := t.TempDir()
			measure := prepare(t, job, directory)
			cost, attempts, successes, err := measure.Sample(t.Context())
			require.NoError(t, err)
			require.Positive(t, cost)
			require.Positive(t, attempts)
			require.LessOrEqual(t, successes, attempts)
			t.Logf("%.0f %s, %d of %d", cost, job.Unit, successes, attempts)
			require.NoError(t, measure.Close())
			left, err := os.ReadDir(directory)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func prepare(t *testing.T, job jobs.Job, directory string) jobs.Measure {
	t.Helper()
	measure, err := job.Prepare(t.Context(), directory)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("not on this computer: %v", err)
	}
	require.NoError(t, err)
	return measure
}

var _ = runtime.GOOS
var _ = slices.Sort[[]int]
var _ = strings.Join
