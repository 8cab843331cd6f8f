package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

var program = Program{Cores: []cores.Entry{
	{Name: "bitmap", New: poolbench.Bitmap, Description: "words"},
	{Name: "sorted slice", New: poolbench.SortedSlice, Description: "a slice"},
}}

// deaf answers every question with no.
type deaf struct{ poolbench.Core }

func (deaf) Overlaps(pool.Range) bool { return false }

var withDeaf = Program{Cores: append([]cores.Entry{
	{Name: "deaf", New: func() poolbench.Core { return deaf{poolbench.Bitmap()} }},
}, program.Cores...)}

func run(t *testing.T, p Program, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = p.Run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

const someWork = "any/blocks=10+/width=1/hit=50$"

func TestRunWritesEverything(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results")
	code, stdout, stderr := run(t, program, "run", "--quick", "--work", someWork, "--jobs", "none", "--rounds", "4", "--seed", "3", "--output", folder)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "any  width=1  hit=50\n")
	require.Contains(t, stdout, "blocks=10000")
	require.Equal(t, filepath.Join(folder, "report.html")+"\n", stderr, "no progress without a terminal")

	saved, err := readFile(filepath.Join(folder, "results.json"))
	require.NoError(t, err)
	require.True(t, saved.Complete)
	require.EqualValues(t, 3, saved.Seed)
	require.Len(t, saved.Figures, 2*4)
	for _, name := range []string{"results.json", "results.csv", "benchmark.txt", "report.html"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Contains(t, string(text), saved.Machine.Go, "%s names the machine", name)
	}
	left, err := filepath.Glob(filepath.Join(folder, "jobs-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	pictures := filepath.Join(folder, "again")
	require.NoError(t, os.Mkdir(pictures, 0o755))
	code, stdout, stderr = run(t, program, "plot", filepath.Join(folder, "results.json"), "--output", pictures)
	require.Zero(t, code, stderr)
	require.FileExists(t, strings.TrimSpace(stdout))

	code, stdout, stderr = run(t, program, "compare", "--all", filepath.Join(folder, "results.json"), filepath.Join(folder, "results.json"))
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "any/blocks=10/width=1/hit=50  sorted slice")
	require.Contains(t, stdout, "8 figures are in both runs.")
}

func TestRunFormats(t *testing.T) {
	for format, want := range map[string]string{
		"json": `"format": 1,`,
		"csv":  "group,work,subject,round,value,unit",
		"go":   "BenchmarkAny/blocks=10/width=1/hit=50/core=bitmap-",
	} {
		code, stdout, stderr := run(t, program, "run", "--quick", "--work", "any/blocks=10/width=1/hit=50$", "--jobs", "none",
			"--rounds", "1", "--output", t.TempDir(), "--format", format)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, want)
	}
}

func TestAWrongCoreIsNamed(t *testing.T) {
	code, stdout, stderr := run(t, withDeaf, "run", "--quick", "--work", "any/blocks=10/width=1/hit=50$", "--jobs", "none", "--rounds", "1", "--output", t.TempDir())
	require.Equal(t, exitFault, code)
	require.Contains(t, stdout, "bitmap")
	require.NotContains(t, stdout, "deaf")
	require.Contains(t, stderr, "fault: deaf answers wrongly and is not measured: Overlaps(")

	code, stdout, stderr = run(t, withDeaf, "verify", "--operations", "2000", "--seed", "5")
	require.Equal(t, exitFault, code)
	require.Contains(t, stdout, "2000 random operations each, seed 5\ndeaf                  WRONG: Overlaps(")
	require.Contains(t, stdout, "sorted slice          right")
	require.Contains(t, stderr, "a core answered wrongly: deaf")
}

const traceText = `berth trace 1
insert udp 50000-50099
overlaps udp 50010
overlaps udp 40000-40009
delete udp 50000-50099
`

func TestTraceIsFurtherWork(t *testing.T) {
	recorded := filepath.Join(t.TempDir(), "load.trace")
	require.NoError(t, os.WriteFile(recorded, []byte(traceText), 0o644))
	code, stdout, stderr := run(t, program, "run", "--trace", recorded, "--work", "^trace/", "--jobs", "none", "--rounds", "1", "--output", t.TempDir())
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "trace")

	require.NoError(t, os.WriteFile(recorded, []byte("nonsense"), 0o644))
	code, _, stderr = run(t, program, "run", "--trace", recorded)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "berth trace")
}

func TestInterruptedRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := program.Run(ctx, []string{"run", "--jobs", "none", "--output", t.TempDir()}, strings.NewReader(""), &stdout, &stderr)
	require.Equal(t, exitInterrupted, code)
	require.Contains(t, stderr.String(), "nothing was complete yet")
	require.Contains(t, stderr.String(), "berthbench: interrupted\n")
}

func TestInterruptedRunIsKept(t *testing.T) {
	folder := t.TempDir()
	var stdout, stderr bytes.Buffer
	inv := &invocation{program: program, stdout: newScreen(&stdout, os.Getenv), stderr: newScreen(&stderr, os.Getenv)}
	kept := &result.Run{Figures: []result.Figure{{Group: "any", Work: result.Work{Name: "w"}, Subject: "bitmap", Unit: "ns/op", Samples: []float64{1}}}}
	require.NoError(t, inv.keep(kept, measuring{output: folder, format: formatTable}, 9))
	require.Contains(t, stderr.String(), "interrupted: 1 of 9 figures are complete and kept\n")
	require.FileExists(t, filepath.Join(folder, resultsFile))
}

func TestList(t *testing.T) {
	code, stdout, stderr := run(t, program, "list")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "words\n")
	require.Contains(t, stdout, "* any/blocks=10/width=16/hit=50")

	code, stdout, stderr = run(t, program, "list", "--json")
	require.Zero(t, code, stderr)
	var list listJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	require.Equal(t, "bitmap", list.Cores[0].Name)
	require.Greater(t, len(list.Work), 100)
	require.NotEmpty(t, list.Jobs)
	for _, work := range list.Work {
		require.NotEmpty(t, work.Description, work.Name)
	}
}

// A quick run has work of every group.
func TestQuickWorkHasEveryGroup(t *testing.T) {
	all, quick := map[string]bool{}, map[string]int{}
	for _, work := range poolbench.Workloads() {
		all[work.Group] = true
		if quickWork.MatchString(work.String()) {
			quick[work.Group]++
		}
	}
	for group := range all {
		require.NotZero(t, quick[group], group)
	}
}

func TestMisuse(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged.json")
	require.NoError(t, os.WriteFile(damaged, []byte("{"), 0o644))
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"rum", exitUsage, "there is no command \"rum\"\nDid you mean: berthbench run?"},
		{"run now", exitUsage, "run takes no arguments"},
		{"run --rounds 0", exitUsage, "--rounds 0 is below 1"},
		{"run --format xml", exitUsage, "none of table, json, csv and go"},
		{"run --cores (", exitUsage, "--cores: error parsing regexp"},
		{"run --cores nobody", exitUsage, "--cores \"nobody\" matches nothing\nSee berthbench list"},
		{"run --cores none --jobs none", exitUsage, "nothing is left to measure"},
		{"run --unknown", exitUsage, "unknown flag: --unknown\nUsage: berthbench run"},
		{"run --trace /does/not/exist", exitFailure, "/does/not/exist"},
		{"verify --operations 0", exitUsage, "--operations 0 is below 1"},
		{"compare one", exitUsage, "compare takes two files"},
		{"plot /does/not/exist", exitFailure, "/does/not/exist"},
		{"plot " + damaged, exitFailure, damaged + ": not the results of berthbench"},
		{"helper juggler", exitFailure, "no role \"juggler\""},
		{"help juggler", exitUsage, "there is no command \"juggler\""},
	} {
		code, stdout, stderr := run(t, program, strings.Fields(test.args)...)
		require.Equal(t, test.code, code, "%s: %s", test.args, stderr)
		require.Empty(t, stdout, test.args)
		require.Contains(t, stderr, test.says, test.args)
		require.True(t, strings.HasPrefix(stderr, "berthbench: "), stderr)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"", "--help", "run --help", "list -h", "verify --help", "compare --help", "help plot"} {
		code, stdout, stderr := run(t, program, strings.Fields(args)...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "\nUsage\n  berthbench")
		require.NotContains(t, stdout, "helper")
		require.Empty(t, stderr)
		for line := range strings.Lines(stdout) {
			require.LessOrEqual(t, len(line), 140, "%s", line)
		}
	}
}

func TestExitCodesAreInTheHelp(t *testing.T) {
	_, stdout, _ := run(t, program)
	for _, code := range []int{exitOK, exitFailure, exitUsage, exitFault, exitInterrupted} {
		require.Regexp(t, `\b`+strconv.Itoa(code)+` [a-z]`, stdout)
	}
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("x"), 1}, {usageError("x"), 2}, {fmt.Errorf("x: %w", errFault), 3}, {context.Canceled, 130},
	} {
		require.Equal(t, test.want, exitCode(test.err))
	}
}

func TestOutputThatIsLostFailsTheCommand(t *testing.T) {
	var stderr bytes.Buffer
	code := program.Run(t.Context(), []string{"list"}, strings.NewReader(""), brokenPipe{}, &stderr)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr.String(), "its output could not be written")
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
