package command

import (
	"strings"

	"github.com/spf13/cobra"
)

func newRoot(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:   "berthbench COMMAND",
		Short: "Measure what knows which ports are taken",
		Long: `Berthbench runs overlap-check cores, the data structures inside port allocators, through the same
work, checks that each answers correctly before it is timed, and shows the result as a table, as
data and as pictures. It also measures whole jobs: a free UDP port, a durable record.`,
		Example: `  berthbench run --quick                    # everything that matters, in two minutes
  berthbench run --cores 'berth|bitmap'     # some cores, on all work
  berthbench verify                         # a million random operations on every core
  berthbench compare old/results.json new/results.json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // RunE explains unknown commands better
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(inv.stdin)
	root.SetOut(inv.stdout)
	root.SetErr(inv.stderr)
	root.AddCommand(newRun(inv), newList(inv), newVerify(inv), newCompare(inv), newPlot(inv), newHelper(inv))
	root.SetHelpCommand(newHelp())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Use = "completion SHELL"
		completion.Short = "Print a completion script for a shell"
	}
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misused(cmd, "%v", err) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(inv.stdout, cmd) })
	return root
}

// newHelp returns the help command, which knows what it has no help for.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	err := &failure{err: usageError("there is no command \"" + name + "\""), next: "More: " + cmd.CommandPath() + " --help"}
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		err.next = "Did you mean: " + cmd.CommandPath() + " " + strings.Join(similar, ", ") + "?"
	}
	return err
}
