package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/machine"
	"github.com/berthkit/berth/cmd/berthbench/internal/report"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/runner"
	"github.com/berthkit/berth/cmd/berthbench/internal/table"
	"github.com/berthkit/berth/pool/poolbench"
)

// measuring is the flags of run.
type measuring struct {
	quick  bool
	rounds int
	seed   uint64
	output string
	trace  string
	podman string
	format string
}

func newRun(inv *invocation) *cobra.Command {
	var m measuring
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Verify cores, then measure cores and jobs",
		Long: `Run verifies every core and measures those that answer right, and whole jobs beside them. Those that
do the same work are sampled in turns, A B C A B C, so that whatever slows the computer down for a
while slows all of them.

It writes results.json, results.csv, benchmark.txt for benchstat, plots as SVG and report.html into
a folder, and a table to stdout. Ctrl-C keeps what is complete; a second Ctrl-C ends at once.
Close other programs first.`,
		Example: `  berthbench run --quick
  berthbench run --work '^find/' --jobs none --output results
  berthbench run --trace berth.trace --work '^trace/' --jobs none
  berthbench run --cores none --jobs udp-port --format csv > ports.csv`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return inv.measure(cmd, m) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&m.quick, "quick", false, "what matters most, with shorter samples: two minutes on two cores")
	flags.String("cores", "", "measure the cores whose names match this `regexp`, or none")
	flags.String("work", "", "measure the work whose group/name matches this `regexp`, or none; with it, --quick leaves no work out")
	flags.String("jobs", "", "do the jobs whose group/name/subject matches this `regexp`, or none")
	flags.IntVar(&m.rounds, "rounds", 10, "samples of each figure, a `number`; fewer than 4 cannot tell a difference from noise")
	flags.Uint64Var(&m.seed, "seed", 1, "the `number` that all work is drawn from")
	flags.StringVar(&m.output, "output", "", "`folder` for the files, instead of a new one named for the time")
	flags.StringVar(&m.trace, "trace", "", "play this `file`, which berth trace has recorded, as further work")
	flags.StringVar(&m.podman, "podman", "", "measure Podman too: the `file` that cmd/berthbench/podman builds to")
	flags.StringVar(&m.format, "format", formatTable, "what stdout gets, a `name`: table, json, csv, or go for benchstat")
	return cmd
}

// What stdout can get.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
	formatGo    = "go"
)

// Samples of a full run take 20 ms, which makes what the clock and the scheduler add invisible;
// those of a quick run are as long as two minutes allow.
const (
	fullSample      = 20 * time.Millisecond
	quickSample     = 3 * time.Millisecond
	fullJobSample   = 300 * time.Millisecond
	quickJobSample  = 100 * time.Millisecond
	fullOperations  = 1_000_000
	quickOperations = 50_000
)

// plan returns what the flags ask for, without the directory.
func (inv *invocation) plan(cmd *cobra.Command, m measuring) (runner.Plan, error) {
	p := runner.Plan{
		Rounds: m.rounds, Seed: m.seed,
		Sample: fullSample, JobSample: fullJobSample, Operations: fullOperations,
	}
	if m.quick {
		p.Sample, p.JobSample, p.Operations = quickSample, quickJobSample, quickOperations
	}
	switch {
	case m.rounds < 1:
		return p, misused(cmd, "--rounds %d is below 1", m.rounds)
	case !slices.Contains([]string{formatTable, formatJSON, formatCSV, formatGo}, m.format):
		return p, misused(cmd, "--format %q is none of table, json, csv and go", m.format)
	}
	work, err := workOf(cmd, m.trace)
	if err != nil {
		return p, err
	}
	if p.Cores, err = choose(cmd, "cores", inv.program.Cores, coreName); err != nil {
		return p, err
	}
	if p.Work, err = choose(cmd, "work", work, poolbench.Workload.String); err != nil {
		return p, err
	}
	if p.Jobs, err = choose(cmd, "jobs", inv.allJobs(m.quick, m.podman), jobName); err != nil {
		return p, err
	}
	if !cmd.Flags().Changed("work") {
		p.Memory = memoryBlocks
		if m.quick {
			isSlow := func(work poolbench.Workload) bool {
				return work.Group != "trace" && !quickWork.MatchString(work.String())
			}
			p.Work = slices.DeleteFunc(p.Work, isSlow)
		}
	}
	if p.Figures() == 0 {
		return p, misused(cmd, "nothing is left to measure")
	}
	return p, nil
}

func (inv *invocation) measure(cmd *cobra.Command, m measuring) error {
	ctx := cmd.Context()
	plan, err := inv.plan(cmd, m)
	if err != nil {
		return err
	}
	if m.output == "" {
		m.output = "berthbench-" + time.Now().Format("20060102-150405")
	}
	if err := os.MkdirAll(m.output, 0o755); err != nil {
		return err
	}
	if plan.Directory, err = os.MkdirTemp(m.output, "jobs-"); err != nil {
		return err
	}
	defer os.RemoveAll(plan.Directory)

	bar := inv.newProgress()
	plan.Observe = bar.show
	run, interrupted := plan.Run(ctx, machine.Describe(ctx))
	bar.close()
	if interrupted != nil && len(run.Figures) == 0 {
		inv.stderr.printf("nothing was complete yet, so nothing is kept\n")
		return interrupted
	}
	if err := inv.keep(run, m, plan.Figures()); err != nil {
		return err
	}
	if interrupted != nil {
		return interrupted
	}
	return faultsOf(run.Verified)
}

// keep writes the files, shows the run on stdout, and says what there is to know.
func (inv *invocation) keep(run *result.Run, m measuring, planned int) error {
	if err := writeFiles(m.output, run); err != nil {
		return err
	}
	if err := inv.print(run, m.format); err != nil {
		return err
	}
	for _, note := range run.Notes {
		inv.stderr.printf("%s %s\n", inv.stderr.paint(cyan, "note:"), note)
	}
	for _, verdict := range run.Verified {
		if verdict.Fault != "" {
			inv.stderr.printf("%s %s answers wrongly and is not measured: %s\n", inv.stderr.paint(red, "fault:"), verdict.Core, verdict.Fault)
		}
	}
	if !run.Complete {
		inv.stderr.printf("interrupted: %d of %d figures are complete and kept\n", len(run.Figures), planned)
	}
	inv.stderr.printf("%s\n", filepath.Join(m.output, reportFile))
	return nil
}

// The files of a run, beside the plots.
const (
	resultsFile   = "results.json"
	valuesFile    = "results.csv"
	benchmarkFile = "benchmark.txt"
	reportFile    = "report.html"
)

func writeFiles(directory string, run *result.Run) error {
	for _, file := range []struct {
		name  string
		write writer
	}{
		{resultsFile, result.WriteJSON},
		{valuesFile, result.WriteCSV},
		{benchmarkFile, result.WriteBenchmark},
	} {
		if err := writeFile(filepath.Join(directory, file.name), run, file.write); err != nil {
			return err
		}
	}
	return report.Write(directory, run)
}

func (inv *invocation) print(run *result.Run, format string) error {
	switch format {
	case formatJSON:
		return result.WriteJSON(inv.stdout, run)
	case formatCSV:
		return result.WriteCSV(inv.stdout, run)
	case formatGo:
		return result.WriteBenchmark(inv.stdout, run)
	}
	inv.stdout.printf("%s\n\n", run.Line())
	return table.Write(inv.stdout, run, inv.stdout.width)
}

// faultsOf returns an error that names the cores that answered wrongly, or nil.
func faultsOf(verdicts []result.Verdict) error {
	var faults []error
	for _, verdict := range verdicts {
		if verdict.Fault != "" {
			faults = append(faults, fmt.Errorf("%w: %s", errFault, verdict.Core))
		}
	}
	return errors.Join(faults...)
}
