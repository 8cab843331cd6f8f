package command

import (
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/runner"
)

func newVerify(inv *invocation) *cobra.Command {
	var operations int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that cores answer right",
		Long: `Verify puts every core through random operations beside an oracle that is too simple to be wrong,
and prints a line for each. A core that answers wrongly, panics or hangs is named with the calls
that lead to it, and the exit code is 3.`,
		Example: `  berthbench verify
  berthbench verify --cores etcd --operations 10000000`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := choose(cmd, "cores", inv.program.Cores, coreName)
			if err != nil {
				return err
			}
			if operations < 1 {
				return misused(cmd, "--operations %d is below 1", operations)
			}
			if !cmd.Flags().Changed("seed") {
				seed = rand.Uint64()
			}
			inv.stdout.printf("%d random operations each, seed %d\n", operations, seed)
			var verdicts []result.Verdict
			start := time.Now()
			err = runner.Verify(cmd.Context(), entries, operations, seed, func(verdict result.Verdict) {
				inv.printVerdict(verdict, time.Since(start))
				verdicts = append(verdicts, verdict)
				start = time.Now()
			})
			if err != nil {
				return err
			}
			return faultsOf(verdicts)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&operations, "operations", 1_000_000, "random operations for each core, a `number`")
	flags.String("cores", "", "verify the cores whose names match this `regexp`")
	flags.Uint64Var(&seed, "seed", 0, "the `number` that the operations are drawn from, instead of a new one")
	return cmd
}

func (inv *invocation) printVerdict(verdict result.Verdict, took time.Duration) {
	name := padded(verdict.Core, 20)
	if verdict.Fault != "" {
		inv.stdout.printf("%s  %s\n", name, inv.stdout.paint(red, "WRONG: "+verdict.Fault))
		return
	}
	inv.stdout.printf("%s  %s  %s\n", name, inv.stdout.paint(green, "right"), took.Round(time.Millisecond))
}
