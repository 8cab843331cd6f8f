package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

func newWatch(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "watch [udp|tcp]",
		Short: "Show what anybody reserves and releases, as it happens",
		Long: `Watch prints the blocks that are there, and then a line for each one that any program of this
computer adds or removes, until Ctrl-C. With --json each line is an object.`,
		Example: "  berth watch\n  berth watch udp --json | jq --unbuffered 'select(.change == \"removed\") | .block.label'",
		GroupID: groupLook,
		Args:    atMost(1, "one protocol"),

		ValidArgsFunction: completeProtocol,
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, err := parseOptionalProtocol(args)
			if err != nil {
				return err
			}
			return inv.write(cmd.Context(), func(computer *system.Computer) error {
				return inv.watch(cmd.Context(), computer, protocol)
			})
		},
	}
}

// watch prints changes of the protocol, or of both if it is 0, until ctx is done.
func (inv *invocation) watch(ctx context.Context, computer reservation.Watcher, protocol reservation.Protocol) error {
	for change, err := range computer.Watch(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if protocol != 0 && change.Protocol != 0 && change.Protocol != protocol {
			continue
		}
		if err := inv.printChange(change); err != nil {
			return err
		}
	}
	return nil // Ctrl-C is how a watch ends
}

// changeJSON is one line of watch.
type changeJSON struct {
	Change  string     `json:"change"`            // "present", "added", "removed", "boot" or "dynamic"
	Block   *blockJSON `json:"block,omitempty"`   // of "present", "added" and "removed"
	Boot    string     `json:"boot,omitempty"`    // of "boot": the boot's identity
	Dynamic *foundJSON `json:"dynamic,omitempty"` // of "dynamic": the new range
}

func (inv *invocation) printChange(change reservation.Change) error {
	var line changeJSON
	block := encodeBlock(change.Block)
	switch change.Kind {
	case reservation.BlockPresent:
		line.Change, line.Block = "present", &block
	case reservation.BlockAdded:
		line.Change, line.Block = "added", &block
	case reservation.BlockRemoved:
		line.Change, line.Block = "removed", &block
	case reservation.BootBegun:
		line.Change, line.Boot = "boot", change.BootID
	case reservation.DynamicSet:
		line.Change, line.Dynamic = "dynamic", &foundJSON{Protocol: change.Protocol, portsJSON: encodePorts(change.Range)}
	}
	now := time.Now().Format(time.TimeOnly)
	switch {
	case inv.json:
		return inv.stdout.printLine(line)
	case line.Block != nil:
		inv.stdout.printf("%s  %-7s  %s\n", now, line.Change, describeChanged(change.Block))
	case line.Dynamic != nil:
		inv.stdout.printf("%s  the dynamic range of %s is %s now\n", now, change.Protocol, change.Range)
	default:
		inv.stdout.printf("%s  another boot has begun: all tokens have changed\n", now)
	}
	return inv.stdout.err
}

// describeChanged says in a phrase which block it is.
func describeChanged(b reservation.Block) string {
	s := fmt.Sprintf("%s %-11s  %s", b.Protocol, b.Range, describeKind(b))
	if b.Label != "" {
		s += fmt.Sprintf(" %q", b.Label)
	}
	if owner := describeOwner(b.Program, b.PID); owner != "" {
		s += " of " + owner
	}
	return s
}
