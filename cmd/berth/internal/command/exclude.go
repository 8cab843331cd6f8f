package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

func newExclude(inv *invocation) *cobra.Command {
	exclude := newGroup("exclude", "Keep ports out of automatic assignment", groupReserve,
		newExcludeAdd(inv), newExcludeDelete(inv))
	exclude.Long = `An exclusion keeps ports out of automatic assignment and out of reservations. A program that
asks for one of them by its number still gets it.`
	exclude.Example = "  berth exclude add udp 50000-50059\n  berth exclude delete udp 50000-50059"
	return exclude
}

func newExcludeAdd(inv *invocation) *cobra.Command {
	return newExclusionCommand(inv, exclusionCommand{
		name:  "add",
		short: "Exclude a block of ports",
		past:  "Excluded",
		run: func(ctx context.Context, e exclusion) error {
			return inv.write(ctx, func(computer *system.Computer) error {
				return computer.AddExclusion(ctx, e.protocol, e.ports, e.store)
			})
		},
	})
}

func newExcludeDelete(inv *invocation) *cobra.Command {
	return newExclusionCommand(inv, exclusionCommand{
		name:  "delete",
		short: "Delete an exclusion of exactly these ports",
		past:  "Deleted the exclusion of",
		kinds: []reservation.Kind{reservation.Exclusion},
		run: func(ctx context.Context, e exclusion) error {
			return inv.end(ctx, e.protocol, e.ports, opDeleteExclusion, func(computer *system.Computer) error {
				return computer.DeleteExclusion(ctx, e.protocol, e.ports, e.store)
			})
		},
	})
}

// An exclusionCommand is what differs between add and delete.
type exclusionCommand struct {
	name  string
	short string
	past  string             // what has happened, before the ports
	kinds []reservation.Kind // what completion offers
	run   func(context.Context, exclusion) error
}

// An exclusion is what the arguments of exclude name.
type exclusion struct {
	protocol reservation.Protocol
	ports    reservation.Range
	store    reservation.ExclusionStore
}

func newExclusionCommand(inv *invocation, c exclusionCommand) *cobra.Command {
	var active bool
	cmd := &cobra.Command{
		Use:     c.name + " PROTOCOL RANGE",
		Short:   c.short,
		Example: "  berth exclude " + c.name + " udp 50000-50059",
		Args:    exactly(2, "a protocol and a range, such as udp 50000-50059"),

		ValidArgsFunction: inv.completeBlock(c.kinds...),
		RunE: func(cmd *cobra.Command, args []string) error {
			e := exclusion{store: reservation.PersistentStore}
			if active {
				e.store = reservation.ActiveStore
			}
			var err error
			if e.protocol, e.ports, err = parseBlock(args); err != nil {
				return err
			}
			if err := c.run(cmd.Context(), e); err != nil {
				return err
			}
			value := encodeBlock(reservation.Block{Protocol: e.protocol, Range: e.ports, Kind: reservation.Exclusion, Store: e.store})
			return inv.answer(value, "", fmt.Sprintf("%s %s %s.", c.past, e.protocol, e.ports))
		},
	}
	cmd.Flags().BoolVar(&active, "active", false, "the exclusion ends at the next restart")
	return cmd
}
