package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/store"
)

func newReserve(inv *invocation) *cobra.Command {
	var label string
	cmd := &cobra.Command{
		Use:   "reserve PROTOCOL RANGE",
		Short: "Reserve a block of ports until it is released",
		Long: `Reserve takes a block of ports, across restarts, and prints its token. It refuses a block that
overlaps another or that has a port in use. A range is 50000-50099, 50000+100 or 50000.`,
		Example: `  berth reserve udp 50000-50099 --label media
  token=$(berth reserve tcp 8000+10)`,
		GroupID: groupReserve,
		Args:    exactly(2, blockArguments),

		ValidArgsFunction: completeProtocol,
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, r, err := parseBlock(args)
			if err != nil {
				return err
			}
			if err := checkLabel(label); err != nil {
				return err
			}
			return inv.write(cmd.Context(), func(computer *system.Computer) error {
				token, err := computer.CreatePersistent(cmd.Context(), protocol, r, label)
				if err != nil {
					return err
				}
				value := tokenJSON{Protocol: protocol, portsJSON: encodePorts(r), Token: token.String()}
				return inv.answer(value, token.String(), fmt.Sprintf("Reserved %s %s, %s; token %s.\nBind from it: berth listen %s %s",
					inv.stdout.paint(green, protocol.String()), inv.stdout.paint(green, r.String()), plural(r.Count(), "port"), token, protocol, r))
			})
		},
	}
	cmd.Flags().StringVar(&label, "label", "", "`name` that list, why and others' errors show")
	return cmd
}

// checkLabel refuses a bad label before a store is created for it.
func checkLabel(label string) error {
	if err := reservation.ValidateLabel(label); err != nil {
		return &failure{err, "A label has up to 255 bytes of UTF-8 and no control characters."}
	}
	return nil
}

func newRelease(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:     "release PROTOCOL RANGE",
		Short:   "Release a reservation",
		Long:    "Release ends the reservation of exactly these ports. Sockets bound from it keep their ports.",
		Example: "  berth release udp 50000-50099",
		GroupID: groupReserve,
		Args:    exactly(2, blockArguments),

		ValidArgsFunction: inv.completeBlock(reservation.Persistent),
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, r, err := parseBlock(args)
			if err != nil {
				return err
			}
			return inv.end(cmd.Context(), protocol, r, opDelete, func(computer *system.Computer) error {
				if err := computer.DeletePersistent(cmd.Context(), protocol, r); err != nil {
					return err
				}
				return inv.answer(foundJSON{Protocol: protocol, portsJSON: encodePorts(r)}, "", fmt.Sprintf("Released %s %s.", protocol, r))
			})
		},
	}
}

// end runs do, which ends a block, with an engine that may change the store. Where no store is there
// is no block, and none is created to find that out.
func (inv *invocation) end(ctx context.Context, protocol reservation.Protocol, r reservation.Range, op string, do func(*system.Computer) error) error {
	err := inv.change(ctx, do)
	if errors.Is(err, store.ErrMissing) {
		return &reservation.Error{Op: op, Protocol: protocol, Range: r, Err: reservation.ErrNotFound}
	}
	return err
}
