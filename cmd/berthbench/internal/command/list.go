package command

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
	"github.com/berthkit/berth/pool/poolbench"
)

// The JSON that list prints. Fields may be added; those that are here stay as they are.
type (
	listJSON struct {
		Cores []coreJSON `json:"cores"`
		Work  []workJSON `json:"work"`
		Jobs  []jobJSON  `json:"jobs"`
	}
	coreJSON struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Properties  []string `json:"properties"`
	}
	workJSON struct {
		Name        string `json:"name"` // group and name, as --work matches it
		Description string `json:"description"`
		Quick       bool   `json:"quick"` // a quick run does it
	}
	jobJSON struct {
		Name        string   `json:"name"` // group, name and subject, as --jobs matches it
		Description string   `json:"description"`
		Properties  []string `json:"properties"`
	}
)

func newList(inv *invocation) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List cores, work and jobs with a line each",
		Long: `List prints every core, every piece of work that cores do, and every job, with a line that describes
it. The names are those that run --cores, --work and --jobs match. A quick run does the work with a *.`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			list := inv.list()
			if asJSON {
				return inv.stdout.printJSON(list)
			}
			inv.printList(list)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func (inv *invocation) list() listJSON {
	var list listJSON
	for _, entry := range inv.program.Cores {
		list.Cores = append(list.Cores, encodeCore(entry))
	}
	for _, work := range poolbench.Workloads() {
		name := work.String()
		list.Work = append(list.Work, workJSON{name, work.Description, quickWork.MatchString(name)})
	}
	for _, job := range inv.allJobs(false, "") {
		list.Jobs = append(list.Jobs, encodeJob(job))
	}
	return list
}

func encodeCore(entry cores.Entry) coreJSON {
	return coreJSON{entry.Name, entry.Description, entry.Facts()}
}

func encodeJob(job jobs.Job) jobJSON {
	return jobJSON{jobName(job), job.Work.Description, job.Properties}
}

func (inv *invocation) printList(list listJSON) {
	s := inv.stdout
	names := 0
	for _, core := range list.Cores {
		names = max(names, len(core.Name))
	}
	for _, work := range list.Work {
		names = max(names, len(work.Name))
	}
	s.printf("%s\n", s.paint(bold, "Cores"))
	for _, core := range list.Cores {
		s.printf("  %s  %s\n", s.paint(cyan, padded(core.Name, names)), core.Description)
		s.printf("  %s  %s\n", padded("", names), s.paint(faint, strings.Join(core.Properties, "; ")))
	}
	s.printf("\n%s\n", s.paint(bold, "Work"))
	for _, work := range list.Work {
		mark := " "
		if work.Quick {
			mark = "*"
		}
		s.printf("%s %s  %s\n", mark, s.paint(cyan, padded(work.Name, names)), work.Description)
	}
	s.printf("\n%s\n", s.paint(bold, "Jobs"))
	for _, job := range list.Jobs {
		s.printf("  %s  %s\n", s.paint(cyan, padded(job.Name, names)), job.Description)
	}
}
