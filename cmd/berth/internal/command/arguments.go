package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// exactly returns a check for n arguments; names tells what they are.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return misused(cmd, "%s needs %s", cmd.Name(), names)
		case len(args) > n:
			return misused(cmd, "%s takes %s; %q is too much", cmd.Name(), names, strings.Join(args[n:], " "))
		}
		return nil
	}
}

// atMost returns a check for no more than n arguments.
func atMost(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return misused(cmd, "%s takes %s; %q is too much", cmd.Name(), names, strings.Join(args[n:], " "))
		}
		return nil
	}
}

// parseOptionalProtocol reads the argument [PROTOCOL]; none is 0, which stands for both.
func parseOptionalProtocol(args []string) (reservation.Protocol, error) {
	if len(args) == 0 {
		return 0, nil
	}
	return pool.ParseProtocol(args[0])
}

const blockArguments = "a protocol and a range, such as udp 50000-50099"

// parseBlock reads the two arguments PROTOCOL RANGE.
func parseBlock(args []string) (reservation.Protocol, reservation.Range, error) {
	protocol, err := pool.ParseProtocol(args[0])
	if err != nil {
		return 0, reservation.Range{}, err
	}
	r, err := pool.ParseRange(args[1])
	return protocol, r, err
}

// parseToken reads a token as lookup prints it, or in decimal.
func parseToken(cmd *cobra.Command, text string) (reservation.Token, error) {
	token, err := strconv.ParseUint(text, 0, 64)
	if err != nil || strings.Contains(text, "_") {
		return 0, misused(cmd, "%q is no token; a token is a number such as 0x0123456789abcdef", text)
	}
	if token == 0 {
		return 0, fmt.Errorf("%w: token 0 names nothing", reservation.ErrNotFound)
	}
	return reservation.Token(token), nil
}

// parseCount reads a number of ports or sockets.
func parseCount(cmd *cobra.Command, what, text string) (int, error) {
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 || count > pool.MaxPort || strings.HasPrefix(text, "+") {
		return 0, misused(cmd, "%q is no number of %s; want 1 to %d", text, what, pool.MaxPort)
	}
	return count, nil
}
