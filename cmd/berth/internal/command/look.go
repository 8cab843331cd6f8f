package command

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

func newList(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:     "list [udp|tcp]",
		Short:   "List reservations and exclusions",
		Long:    "List shows the blocks of both protocols, or of one, by first port.",
		Example: "  berth list\n  berth list udp --json | jq '.blocks[].first'",
		GroupID: groupLook,
		Args:    atMost(1, "one protocol"),

		ValidArgsFunction: completeProtocol,
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, err := parseOptionalProtocol(args)
			if err != nil {
				return err
			}
			return inv.read(cmd.Context(), func(computer *system.Computer) error {
				blocks, err := computer.List(cmd.Context(), protocol)
				if err != nil {
					return err
				}
				return inv.printList(blocks)
			})
		},
	}
}

func (inv *invocation) printList(blocks []reservation.Block) error {
	if inv.json {
		return inv.stdout.printJSON(map[string]any{"blocks": encodeBlocks(blocks)})
	}
	if len(blocks) == 0 {
		inv.say("Nothing is reserved. Reserve a block: berth reserve udp 50000-50099")
		return nil
	}
	list := &table{head: []string{"PROTOCOL", "PORTS", "COUNT", "KIND", "SINCE", "BY", "LABEL"}, right: map[int]bool{2: true}}
	for _, b := range blocks {
		list.add(b.Protocol.String(), b.Range.String(), strconv.Itoa(b.Range.Count()), describeKind(b),
			formatTime(b.Created), describeOwner(b.Program, b.PID), b.Label)
	}
	list.print(inv.stdout)
	return nil
}

func newLookup(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "lookup PROTOCOL RANGE",
		Short: "Print the token of a reservation",
		Long: `Lookup prints the token of the persistent reservation of exactly these ports. A program binds
from the block by it. Tokens change at every restart of the computer: look up, never keep.`,
		Example: "  token=$(berth lookup udp 50000-50099)",
		GroupID: groupLook,
		Args:    exactly(2, blockArguments),

		ValidArgsFunction: inv.completeBlock(reservation.Persistent),
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, r, err := parseBlock(args)
			if err != nil {
				return err
			}
			return inv.readTokens(cmd.Context(), func(computer *system.Computer) error {
				token, err := computer.LookupPersistent(cmd.Context(), protocol, r)
				if err != nil {
					return err
				}
				value := tokenJSON{Protocol: protocol, portsJSON: encodePorts(r), Token: token.String()}
				return inv.answer(value, token.String(), token.String())
			})
		},
	}
}

func newWhy(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "why PROTOCOL PORT|RANGE",
		Short: "Tell who has a port, and where the nearest free one is",
		Long: `Why tells what stands on a port or a range: a reservation, an exclusion, the sockets of which
program, or nothing; and where the nearest free block of the same size is.`,
		Example: "  berth why udp 50010\n  berth why tcp 8000-8099",
		GroupID: groupLook,
		Args:    exactly(2, "a protocol and a port or range, such as udp 50010"),

		ValidArgsFunction: inv.completeBlock(reservation.Persistent, reservation.Runtime, reservation.Exclusion),
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, r, err := parseBlock(args)
			if err != nil {
				return err
			}
			return inv.read(cmd.Context(), func(computer *system.Computer) error {
				explanation, err := computer.Explain(cmd.Context(), protocol, r)
				if err != nil {
					return err
				}
				return inv.printExplanation(explanation)
			})
		},
	}
}

func (inv *invocation) printExplanation(e *reservation.Explanation) error {
	if inv.json {
		answer := explanationJSON{
			Protocol:  e.Protocol,
			portsJSON: encodePorts(e.Range),
			State:     stateOf(e),
			Sentence:  sentenceOf(e),
			Blocks:    encodeBlocks(e.Blocks),
			InUse:     []holderJSON{},
			Nearest:   encodeOptionalPorts(e.Nearest),
		}
		for _, holder := range e.InUse {
			answer.InUse = append(answer.InUse, holderJSON{Port: holder.Port, PID: holder.PID, Program: holder.Program})
		}
		return inv.stdout.printJSON(answer)
	}
	inv.stdout.printf("%s\n", sentenceOf(e))
	if e.IsFree() {
		return nil
	}
	standing := &table{head: []string{"PORTS", "STATE", "SINCE", "BY", "LABEL"}}
	for _, b := range e.Blocks {
		standing.add(b.Range.String(), describeKind(b), formatTime(b.Created), describeOwner(b.Program, b.PID), b.Label)
	}
	for _, holder := range e.InUse {
		by := describeOwner(holder.Program, holder.PID)
		if by == "" {
			by = "(hidden from this user)"
		}
		standing.add(strconv.Itoa(int(holder.Port)), stateInUse, "", by, "")
	}
	if e.Nearest.IsValid() {
		standing.add(e.Nearest.String(), stateFree+", nearest", "", "", "")
	}
	inv.stdout.printf("\n")
	standing.print(inv.stdout)
	return nil
}

func newFind(inv *invocation) *cobra.Command {
	var align, within string
	cmd := &cobra.Command{
		Use:   "find PROTOCOL COUNT",
		Short: "Find a free block of ports; reserves nothing",
		Long: fmt.Sprintf(`Find prints the lowest run of COUNT ports that no reservation, exclusion or socket touches. It
reserves nothing. It looks within %s unless told otherwise.`, reservation.DefaultDynamic),
		Example: `  berth find udp 100 --align 2              # an even first port, as RTP wants
  berth find tcp 10 --within 40000-60000
  berth reserve udp $(berth find udp 100)   # find and reserve`,
		GroupID: groupLook,
		Args:    exactly(2, "a protocol and a number of ports, such as udp 100"),

		ValidArgsFunction: completeProtocol,
		RunE: func(cmd *cobra.Command, args []string) error {
			protocol, err := pool.ParseProtocol(args[0])
			if err != nil {
				return err
			}
			count, err := parseCount(cmd, "ports", args[1])
			if err != nil {
				return err
			}
			search := pool.Search{Within: reservation.DefaultDynamic}
			if search.Align, err = parseCount(cmd, "ports to align to", align); err != nil {
				return err
			}
			if cmd.Flags().Changed("within") {
				if search.Within, err = pool.ParseRange(within); err != nil {
					return err
				}
			}
			return inv.find(cmd, protocol, count, search)
		},
	}
	cmd.Flags().StringVar(&align, "align", "1", "first port is a multiple of `n`")
	cmd.Flags().StringVar(&within, "within", "", "look in this `range`")
	return cmd
}

func (inv *invocation) find(cmd *cobra.Command, protocol reservation.Protocol, count int, search pool.Search) error {
	return inv.read(cmd.Context(), func(computer *system.Computer) error {
		found, err := computer.Free(cmd.Context(), protocol, count, search)
		if err != nil {
			return nextAfterFind(err, protocol, count, search)
		}
		return inv.answer(foundJSON{Protocol: protocol, portsJSON: encodePorts(found)}, found.String(), found.String())
	})
}

// nextAfterFind adds where else to look.
func nextAfterFind(err error, protocol reservation.Protocol, count int, search pool.Search) error {
	if exitCode(err) != exitExhausted || search.Within.Covers(userPorts) {
		return err
	}
	return &failure{err, fmt.Sprintf("Look wider: berth find %s %d --within %s", protocol, count, userPorts)}
}

// userPorts are the ports that need no privilege on Unix.
var userPorts = pool.MustParseRange("1024-65535")
