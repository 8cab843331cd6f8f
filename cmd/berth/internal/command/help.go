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
		printCommands(s, cmd)
	}
	printFlags(s, "Flags", cmd.LocalNonPersistentFlags())
	printFlags(s, "Global flags", cmd.Root().PersistentFlags())
	if !cmd.HasParent() {
		s.printf("\n%s\n", s.paint(faint, "More on a command: berth COMMAND --help"))
	}
}

func heading(s *screen, title string) {
	s.printf("\n%s\n", s.paint(bold, title))
}

func printCommands(s *screen, cmd *cobra.Command) {
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Commands"}}
	}
	for _, group := range groups {
		heading(s, group.Title)
		for _, sub := range inOrder(cmd.Commands()) {
			if sub.GroupID == group.ID && (sub.IsAvailableCommand() || sub.Name() == "help") {
				s.printf("  %s  %s\n", s.paint(cyan, pad(sub.Name(), 10)), sub.Short)
			}
		}
	}
}

// inOrder returns commands in the order that help shows them in: what one does first, first.
func inOrder(commands []*cobra.Command) []*cobra.Command {
	order := []string{
		"reserve", "release", "exclude", "netsh", "list", "lookup", "why", "find", "watch", "trace", "exec", "listen", "sim",
		"check", "backup", "restore", "salvage", "store", "version", "completion", "help",
	}
	return slices.SortedStableFunc(slices.Values(commands), func(a, b *cobra.Command) int {
		return slices.Index(order, a.Name()) - slices.Index(order, b.Name())
	})
}

func printFlags(s *screen, title string, flags *pflag.FlagSet) {
	var lines []*pflag.Flag
	flags.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden && (flag.Name != "help" || title == "Global flags") {
			lines = append(lines, flag)
		}
	})
	if len(lines) == 0 {
		return
	}
	heading(s, title)
	for _, flag := range lines {
		name, usage := pflag.UnquoteUsage(flag)
		argument := "--" + flag.Name
		if name != "" {
			argument += " " + strings.ToUpper(name)
		}
		if flag.Shorthand != "" {
			argument = "-" + flag.Shorthand + ", " + argument
		}
		s.printf("  %s  %s\n", s.paint(cyan, pad(argument, 16)), usage)
	}
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

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)))
}
