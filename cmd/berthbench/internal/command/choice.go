package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/pool/poolbench"
)

// none is the pattern that leaves all of a kind out. As a regular expression it would find nothing
// either; the word makes that no mistake.
const none = "none"

// choose returns the elements whose names a pattern matches. It is wrong usage if that is none of
// them, unless the pattern is the word none.
func choose[E any](cmd *cobra.Command, flag string, all []E, name func(E) string) ([]E, error) {
	text, err := cmd.Flags().GetString(flag)
	if err != nil || text == none {
		return nil, err
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return nil, misused(cmd, "--%s: %v", flag, err)
	}
	var chosen []E
	for _, element := range all {
		if pattern.MatchString(name(element)) {
			chosen = append(chosen, element)
		}
	}
	if len(chosen) == 0 && len(all) > 0 {
		failed := misused(cmd, "--%s %q matches nothing", flag, text).(*failure)
		failed.next = "See berthbench list for all names; the word none leaves all out."
		return nil, failed
	}
	return chosen, nil
}

func coreName(entry cores.Entry) string { return entry.Name }

func jobName(job jobs.Job) string { return job.Group + "/" + job.Work.Name + "/" + job.Subject }

// quickWork is what a quick run measures of the workloads: one line of each plot, and the widths and
// the cases that set cores apart.
var quickWork = regexp.MustCompile(strings.Join([]string{
	`^(any|who)/blocks=\d+/width=16/hit=50$`,
	`^(any|who)/blocks=10{3,4}/width=(1|256|4096)/hit=50$`,
	`^churn/blocks=10{3,4}/width=1$`,
	`^churn/blocks=(10|1000|10000)/layout=fragmented$`,
	`^find/blocks=(10|1000|10000)/width=200/fits=(no|end)$`,
	`^find/blocks=10000/width=2/fits=end/align=2$`,
	`^clone/blocks=10{3,4}/then=replace$`,
	`^shared/.*/goroutines=(1|4|16)/reads=100$`,
}, "|"))

// memoryBlocks are the numbers of blocks that memory is measured at.
var memoryBlocks = []int{10, 1000, 10_000}

// allJobs returns the jobs that this build can do; podman is the program of cmd/berthbench/podman, if
// it is to take part.
func (inv *invocation) allJobs(quick bool, podman string) []jobs.Job {
	options := jobs.Options{Quick: quick, Peers: inv.program.Peers}
	if podman != "" {
		options.Podman = []string{podman}
	}
	if program, err := os.Executable(); err == nil {
		options.Helper = []string{program, helperCommand}
	}
	return jobs.All(options)
}

// workOf returns the workloads, those of a trace included.
func workOf(cmd *cobra.Command, trace string) ([]poolbench.Workload, error) {
	all := poolbench.Workloads()
	if trace == "" {
		return all, nil
	}
	file, err := os.Open(trace)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	recorded, err := poolbench.TraceWorkloads(filepath.Base(trace), file)
	if err != nil {
		return nil, &failure{err: err, next: "Record a trace with: berth trace FILE"}
	}
	return append(all, recorded...), nil
}
