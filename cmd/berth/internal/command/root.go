package command

import (
	"strings"

	"github.com/spf13/cobra"
)

// The groups that help shows commands in.
const (
	groupReserve  = "reserve"
	groupLook     = "look"
	groupUse      = "use"
	groupMaintain = "maintain"
)

func newRoot(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:   "berth COMMAND",
		Short: "Reserve blocks of UDP and TCP ports, and bind sockets from them",
		Long: `Berth reserves blocks of consecutive UDP or TCP ports. A reservation survives restarts;
programs bind sockets from it by its token, and no other program that asks Berth gets its ports.`,
		Example: `  berth reserve udp 50000-50099 --label media   # take a block
  berth list                                    # see all blocks
  berth listen udp 50000-50099 --count 2        # bind two sockets from it and echo
  berth why udp 50010                           # who has this port?
  berth release udp 50000-50099                 # give the block back`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // RunE explains unknown commands better
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"store", "boot"} {
				if flag := cmd.Flag(name); flag.Changed && flag.Value.String() == "" {
					return misused(cmd, "--%s is empty", name)
				}
			}
			return nil
		},
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
	root.AddGroup(
		&cobra.Group{ID: groupReserve, Title: "Reserve"},
		&cobra.Group{ID: groupLook, Title: "Look"},
		&cobra.Group{ID: groupUse, Title: "Use"},
		&cobra.Group{ID: groupMaintain, Title: "Maintain"},
	)
	root.AddCommand(
		newReserve(inv), newRelease(inv), newExclude(inv), newNetsh(inv),
		newList(inv), newLookup(inv), newWhy(inv), newFind(inv), newWatch(inv), newTrace(inv),
		newListen(inv), newExec(inv), newSim(inv),
		newStore(inv), newVersion(inv),
	)
	root.SetHelpCommand(newHelp())
	root.SetCompletionCommandGroupID(groupMaintain)
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Use = "completion SHELL"
		completion.Short = "Print a completion script for a shell"
		completion.Long = "Completion prints a script that completes commands, protocols and the ranges of your blocks.\nIts help for a shell says how to load it."
		completion.Example = "  source <(berth completion bash)"
	}

	root.Version = readVersion().String()
	root.SetVersionTemplate("berth {{.Version}}\n")
	root.Flags().Bool("version", false, "print the version")
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVar(&inv.store, "store", "", "`path` of the store, instead of BERTH_STORE or the default")
	flags.BoolVar(&inv.json, "json", false, "print JSON for programs")
	flags.StringVar(&inv.boot, "boot", "", "pretend to be in the boot with this `id`, to try what a restart does")
	flags.BoolP("help", "h", false, "show help")

	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misused(cmd, "%v", err) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printHelp(inv.stdout, cmd) })
	return root
}

// newHelp returns the help command, which knows what it has no help for.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		GroupID: groupMaintain,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(found), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

// newGroup returns a command that only has subcommands.
func newGroup(use, short, group string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:     use + " COMMAND",
		Short:   short,
		GroupID: group,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return misused(cmd, "%s needs a command: %s", cmd.Name(), strings.Join(names(cmd), ", "))
		},
	}
	cmd.AddCommand(subcommands...)
	return cmd
}

func names(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	err := misused(cmd, "there is no command %q", strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath()+" "+name, cmd.Root().Name())))
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		err.(*failure).next = "Did you mean: " + cmd.CommandPath() + " " + strings.Join(similar, ", ") + "?"
	}
	return err
}
