package command

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/report"
)

func newPlot(inv *invocation) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "plot RESULTS",
		Short:   "Draw the plots and the report of a run again",
		Long:    "Plot reads the results.json of a run and writes its plots as SVG and its report.html.",
		Example: "  berthbench plot results/results.json --output pictures",
		Args:    exactly(1, "one file, the results.json of a run"),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := readFile(args[0])
			if err != nil {
				return err
			}
			if output == "" {
				output = filepath.Dir(args[0])
			}
			if err := report.Write(output, run); err != nil {
				return err
			}
			inv.stdout.printf("%s\n", filepath.Join(output, reportFile))
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "existing `folder` for the files, instead of that of the results")
	return cmd
}
