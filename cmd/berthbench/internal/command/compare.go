package command

import (
	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/table"
)

func newCompare(inv *invocation) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Show what changed between two runs",
		Long: `Compare reads the results.json of two runs and shows the figures that both have and that differ by
more than noise (Mann-Whitney, p < 0.05), the largest change first. Of many figures about one in
twenty differs by chance: repeat what surprises you. Numbers of two machines mean nothing together.`,
		Example: "  berthbench compare before/results.json after/results.json",
		Args:    exactly(2, "two files, the results.json of two runs"),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := readFile(args[0])
			if err != nil {
				return err
			}
			after, err := readFile(args[1])
			if err != nil {
				return err
			}
			if a, b := before.Machine, after.Machine; a.Processor != b.Processor || a.Cores != b.Cores || a.System != b.System {
				inv.stderr.printf("%s the runs are of different machines\n", inv.stderr.paint(red, "warning:"))
			}
			return table.Compare(inv.stdout, before, after, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show the figures that differ by less than noise, too")
	return cmd
}
