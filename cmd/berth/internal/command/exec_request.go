package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berth/internal/supervise"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// An execRequest is what the arguments of exec say.
type execRequest struct {
	blocks       []execBlock // one or two, of different protocols
	reserved     bool        // the blocks are persistent reservations
	align        int
	within       reservation.Range // zero means the dynamic range
	access       supervise.Access
	address      netip.Addr // of sockets that are passed; the zero Addr is every address
	drawPortZero bool
	command      []string
}

// An execBlock is a block that a program is to have.
type execBlock struct {
	protocol reservation.Protocol
	count    int
	ports    reservation.Range // of a reservation; zero if exec is to choose
}

// example returns ports of the size of the block, for trying out arguments before there are any.
func (b execBlock) example() reservation.Range {
	if b.ports.IsValid() {
		return b.ports
	}
	ports, _ := pool.RangeFrom(1, b.count) // parseCount has checked the count
	return ports
}

// What --port-zero may say.
const (
	portZeroSystem = "system"
	portZeroBlock  = "block"
)

// execFlags are the flags of exec as they were written.
type execFlags struct {
	reserved, passFiles              bool
	align, within, address, portZero string
}

func (f *execFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.reserved, "reserved", false, "use reservations, which are named by their ranges")
	flags.StringVar(&f.align, "align", "1", "first port is a multiple of `n`")
	flags.StringVar(&f.within, "within", "", "look in this `range`")
	flags.StringVar(&f.portZero, "port-zero", portZeroSystem, "`who` chooses for a bind to port 0: system, or block")
	flags.BoolVar(&f.passFiles, "pass-fds", false, "bind every port and pass the sockets as LISTEN_FDS")
	flags.StringVar(&f.address, "addr", "", "`address` to bind what is passed; by default every one")
}

// parse reads a command line of exec. Nothing is taken for one that makes no sense.
func (f *execFlags) parse(cmd *cobra.Command, args []string) (*execRequest, error) {
	request := &execRequest{reserved: f.reserved}
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash < 0 || dash == len(args):
		return nil, misused(cmd, "exec needs a command to run behind --")
	case args[dash] == "":
		return nil, misused(cmd, "the name of the command is empty")
	}
	request.command = args[dash:]
	var err error
	if request.blocks, err = parseBlocks(cmd, args[:dash], f.reserved); err != nil {
		return nil, err
	}
	if err := f.parseSearch(cmd, request); err != nil {
		return nil, err
	}
	if err := f.parseAccess(cmd, request); err != nil {
		return nil, err
	}
	_, err = expandAll(request.command, request.examples())
	return request, err
}

// parseBlocks reads pairs of a protocol and a number of ports, or the range of a reservation.
func parseBlocks(cmd *cobra.Command, args []string, reserved bool) ([]execBlock, error) {
	noun, example := "a number of ports", "udp 10"
	if reserved {
		noun, example = "the range of a reservation", "udp 50000-50009"
	}
	if len(args) == 0 || len(args)%2 != 0 {
		return nil, misused(cmd, "exec needs a protocol and %s, such as %s", noun, example)
	}
	var blocks []execBlock
	for ; len(args) > 0; args = args[2:] {
		block := execBlock{}
		var err error
		if block.protocol, err = pool.ParseProtocol(args[0]); err != nil {
			return nil, err
		}
		for _, other := range blocks {
			if other.protocol == block.protocol {
				return nil, misused(cmd, "%s is there twice; a program gets one block of each protocol", block.protocol)
			}
		}
		if reserved {
			block.ports, err = pool.ParseRange(args[1])
		} else {
			block.count, err = parsePortCount(cmd, block.protocol, args[1])
		}
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// parsePortCount reads a number of ports, and guesses what a range is meant to say.
func parsePortCount(cmd *cobra.Command, protocol reservation.Protocol, text string) (int, error) {
	count, err := parseCount(cmd, "ports", text)
	if err == nil || !strings.ContainsAny(text, "-+") {
		return count, err
	}
	if ports, bad := pool.ParseRange(text); bad == nil {
		return 0, &failure{err, fmt.Sprintf("For a block that is reserved: berth exec --reserved %s %s -- COMMAND\nFor any one in that range: berth exec %s COUNT --within %s -- COMMAND", protocol, ports, protocol, ports)}
	}
	return 0, err
}

// parseSearch reads where exec may choose.
func (f *execFlags) parseSearch(cmd *cobra.Command, request *execRequest) error {
	if f.reserved && (cmd.Flags().Changed("align") || cmd.Flags().Changed("within")) {
		return misused(cmd, "--align and --within choose ports, which --reserved names")
	}
	var err error
	if request.align, err = parseCount(cmd, "ports to align to", f.align); err != nil {
		return err
	}
	if cmd.Flags().Changed("within") {
		request.within, err = pool.ParseRange(f.within)
	}
	return err
}

// parseAccess reads how the program gets the ports.
func (f *execFlags) parseAccess(cmd *cobra.Command, request *execRequest) error {
	switch f.portZero {
	case portZeroSystem:
	case portZeroBlock:
		request.drawPortZero = true
	default:
		return misused(cmd, "--port-zero is %s or %s, not %q", portZeroSystem, portZeroBlock, f.portZero)
	}
	if f.passFiles {
		if request.drawPortZero {
			return misused(cmd, "--pass-fds and --port-zero=block exclude each other: all ports are bound when the program starts")
		}
		request.access = supervise.Passed
	}
	if !cmd.Flags().Changed("addr") {
		return nil
	}
	if !f.passFiles {
		return misused(cmd, "--addr is for --pass-fds; without it the program chooses the address")
	}
	var err error
	if request.address, err = netip.ParseAddr(f.address); err != nil {
		return misused(cmd, "%q is no IP address; want one such as 127.0.0.1, 0.0.0.0 or ::", f.address)
	}
	return nil
}

func (r *execRequest) examples() ranges {
	examples := make(ranges)
	for _, block := range r.blocks {
		examples[block.protocol] = block.example()
	}
	return examples
}

// completeExec offers protocols, the ranges of reservations with --reserved, and behind -- what the
// shell itself knows.
func (inv *invocation) completeExec(flags *execFlags) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
		switch dash := cmd.ArgsLenAtDash(); {
		case dash >= 0 && dash < len(args): // cobra puts a dash of its own behind the last argument
			return nil, cobra.ShellCompDirectiveDefault
		case len(args)%2 == 0:
			return completeProtocol(cmd, nil, text)
		case flags.reserved:
			return inv.completeBlock(reservation.Persistent)(cmd, args[len(args)-1:], text)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// execRefused says in a failure to get ports what exec can do about it.
func (inv *invocation) execRefused(err error, request *execRequest) error {
	var refused *reservation.Error
	if !errors.As(err, &refused) || errors.Is(err, context.Canceled) {
		return err
	}
	ports := fmt.Sprintf("%s %s", refused.Protocol, refused.Range)
	switch {
	case errors.Is(err, reservation.ErrNotFound) && refused.Conflict == nil && refused.Range.IsValid():
		return &failure{err, "Reserve it first: berth reserve " + ports}
	case errors.Is(err, reservation.ErrExhausted) && !request.within.Covers(userPorts):
		return &failure{err, fmt.Sprintf("Look wider: --within %s\nSee what is taken: berth list", userPorts)}
	}
	return err
}

// passingFailed says which address could not be bound.
func (inv *invocation) passingFailed(err error, request *execRequest) error {
	if errors.Is(err, reservation.ErrInvalid) {
		return &failure{err, "Bind an address of this computer: --addr 127.0.0.1, or 0.0.0.0 or :: for all of them."}
	}
	return err
}
