package command

import (
	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
)

// helperCommand is the hidden command by which berthbench starts itself for jobs that need a process
// of their own.
const helperCommand = "helper"

func newHelper(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:    helperCommand + " ROLE",
		Short:  "Be a helper process of a job",
		Hidden: true,
		Args:   exactly(1, "one role"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return jobs.RunHelper(cmd.Context(), args[0], inv.program.Peers, inv.stdin, inv.stdout)
		},
	}
}
