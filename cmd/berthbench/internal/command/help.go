package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printHelp prints the help of a command: what it is for, how it is called, what there is.
func printHelp(s *screen, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	s.printf("%s\n", about)
	heading(s, "Usage")
	s.printf("  %s\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	if cmd.HasExample() {
		heading(s, "Examples")
		s.printf("%s\n", paintComments(s, cmd.Example))
	}
	if cmd.HasAvailableSubCommands() {
		heading(s, "Commands")
		for _, sub := range inOrder(cmd.Commands()) {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				s.printf("  %s  %s\n", s.paint(cyan, padded(sub.Name(), 10)), sub.Short)
			}
		}
	}
	printFlags(s, cmd.LocalFlags())
	if !cmd.HasParent() {
		s.printf("\n%s\n", exitCodesHelp)
		s.printf("\n%s\n", s.paint(faint, "More on a command: berthbench COMMAND --help"))
	}
}

// inOrder returns commands in the order that help shows them in: what one does first, first.
func inOrder(commands []*cobra.Command) []*cobra.Command {
	order := []string{"run", "list", "verify", "compare", "plot", "completion", "help"}
	return slices.SortedStableFunc(slices.Values(commands), func(a, b *cobra.Command) int {
		return slices.Index(order, a.Name()) - slices.Index(order, b.Name())
	})
}

func heading(s *screen, title string) {
	s.printf("\n%s\n", s.paint(bold, title))
}

func printFlags(s *screen, flags *pflag.FlagSet) {
	heading(s, "Flags")
	flags.VisitAll(func(flag *pflag.Flag) {
		name, usage := pflag.UnquoteUsage(flag)
		argument := "--" + flag.Name
		if name != "" {
			argument += " " + strings.ToUpper(name)
		}
		if flag.Shorthand != "" {
			argument = "-" + flag.Shorthand + ", " + argument
		}
		s.printf("  %s  %s\n", s.paint(cyan, padded(argument, 20)), usage)
	})
}

// paintComments makes the remarks of example lines faint.
func paintComments(s *screen, example string) string {
	lines := strings.Split(example, "\n")
	for i, line := range lines {
		if command, remark, found := strings.Cut(line, "#"); found {
			lines[i] = command + s.paint(faint, "#"+remark)
		}
	}
	return strings.Join(lines, "\n")
}

func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)))
}
