package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// A listenRequest is what the arguments of listen say.
type listenRequest struct {
	protocol reservation.Protocol
	ports    reservation.Range
	count    int
	address  netip.Addr
	reserve  bool              // reserve the ports if they are not
	token    reservation.Token // 0 means: look it up
}

func newListen(inv *invocation) *cobra.Command {
	var count, address, token string
	var reserve bool
	cmd := &cobra.Command{
		Use:   "listen PROTOCOL RANGE",
		Short: "Bind sockets from a reservation and echo what they receive",
		Long: `Listen binds sockets from the block of a reservation, prints their addresses, one a line, and
sends back whatever they receive, datagrams or streams, until Ctrl-C. It is for trying things out.
Other berth commands go on working meanwhile.`,
		Example: `  berth listen udp 50000-50099 --count 2
  berth listen tcp 8000-8009 --addr :: --reserve   # reserve it first, if need be`,
		GroupID: groupUse,
		Args:    exactly(2, blockArguments),

		ValidArgsFunction: inv.completeBlock(reservation.Persistent),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := listenRequest{reserve: reserve}
			var err error
			if request.protocol, request.ports, err = parseBlock(args); err != nil {
				return err
			}
			if request.count, err = parseCount(cmd, "sockets", count); err != nil {
				return err
			}
			if request.address, err = netip.ParseAddr(address); err != nil {
				return misused(cmd, "%q is no IP address; want one such as 127.0.0.1, 0.0.0.0 or ::", address)
			}
			if cmd.Flags().Changed("token") {
				if request.token, err = parseToken(cmd, token); err != nil {
					return err
				}
				if reserve {
					return misused(cmd, "--reserve and --token exclude each other: a token is of a reservation that exists")
				}
			}
			return inv.listen(cmd.Context(), request)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&count, "count", "1", "`number` of sockets")
	flags.StringVar(&address, "addr", "127.0.0.1", "`address` to bind; 0.0.0.0 or :: for every one")
	flags.BoolVar(&reserve, "reserve", false, "reserve the ports if they are not")
	flags.StringVar(&token, "token", "", "bind by this `token` instead of looking it up")
	return cmd
}

// listen prepares what needs the store, lets go of it, and serves.
func (inv *invocation) listen(ctx context.Context, request listenRequest) error {
	if request.reserve {
		err := inv.reserveIfMissing(ctx, request.protocol, request.ports)
		if err != nil {
			return err
		}
	}
	return inv.readTokens(ctx, func(computer *system.Computer) error {
		if request.token == 0 {
			token, err := computer.LookupPersistent(ctx, request.protocol, request.ports)
			if errors.Is(err, reservation.ErrNotFound) && !request.reserve {
				return notReservedYet(err, request)
			}
			if err != nil {
				return err
			}
			request.token = token
		}
		return inv.serve(ctx, computer, request)
	})
}

// reserveIfMissing reserves the ports unless exactly they are reserved already. A store that another
// program holds is asked without waiting for that program.
func (inv *invocation) reserveIfMissing(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error {
	err := inv.read(ctx, func(computer *system.Computer) error {
		if !computer.HasTokens() {
			return reservation.ErrNotFound
		}
		_, err := computer.LookupPersistent(ctx, protocol, r)
		return err
	})
	if !errors.Is(err, reservation.ErrNotFound) {
		return err
	}
	return inv.write(ctx, func(computer *system.Computer) error {
		_, err := computer.LookupPersistent(ctx, protocol, r)
		if errors.Is(err, reservation.ErrNotFound) {
			_, err = computer.CreatePersistent(ctx, protocol, r, "")
		}
		return err
	})
}

// notReservedYet turns a failed lookup into what it means to listen, and adds that listen can
// reserve, unless another block is in the way.
func notReservedYet(err error, request listenRequest) error {
	var refused *reservation.Error
	if !errors.As(err, &refused) {
		return err
	}
	listening := *refused
	listening.Op = opListen
	if listening.Conflict != nil {
		return &listening
	}
	return &failure{&listening, fmt.Sprintf("Reserve it first: berth listen %s %s --reserve", request.protocol, request.ports)}
}

// serve binds the sockets, prints their addresses and echoes until ctx is done. All are bound before
// any address is printed, so whoever reads an address finds the rest there as well.
func (inv *invocation) serve(ctx context.Context, computer *system.Computer, request listenRequest) error {
	server := &echoServer{protocol: request.protocol}
	defer server.close()
	for range request.count {
		bound, err := server.bind(ctx, computer, request.token, request.address)
		if err != nil {
			return inv.listenFailure(err, request)
		}
		if !request.ports.Contains(bound.Port()) {
			return &failure{
				fmt.Errorf("%w: the token is of another block: it gave port %d, which is not in %s", reservation.ErrInvalid, bound.Port(), request.ports),
				fmt.Sprintf("Look up the token of this block: berth lookup %s %s", request.protocol, request.ports),
			}
		}
	}
	if err := inv.printSockets(request.protocol, server.addresses()); err != nil {
		return err
	}
	if inv.stderr.isTerminal {
		inv.stderr.printf("%s\n", inv.stderr.paint(faint, "Echoing what comes in. Ctrl-C ends it."))
	}
	return server.serve(ctx)
}

func (inv *invocation) printSockets(protocol reservation.Protocol, addresses []netip.AddrPort) error {
	for _, address := range addresses {
		if !inv.json {
			inv.stdout.printf("%s\n", address)
			continue
		}
		err := inv.stdout.printLine(socketJSON{Protocol: protocol, Address: address.Addr().String(), Port: address.Port()})
		if err != nil {
			return err
		}
	}
	return inv.stdout.err
}

// listenFailure names the block in errors about a token and about exhaustion.
func (inv *invocation) listenFailure(err error, request listenRequest) error {
	var refused *reservation.Error
	if !errors.As(err, &refused) {
		return err
	}
	named := *refused
	if named.Op == opAssociate || named.Op == opBind && !named.Range.IsValid() {
		named.Range = request.ports
	}
	if named.Op == opBind && errors.Is(err, reservation.ErrInvalid) {
		return &failure{&named, "Bind an address of this computer: --addr 127.0.0.1, or 0.0.0.0 or :: for all of them."}
	}
	if errors.Is(err, reservation.ErrExhausted) && request.count > request.ports.Count() {
		return &failure{&named, fmt.Sprintf("The block has %s: use --count %d or less.", plural(request.ports.Count(), "port"), request.ports.Count())}
	}
	return &named
}
