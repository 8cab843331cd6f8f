package command

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// options returns how the global flags want the engine opened.
func (inv *invocation) options() *system.Options {
	return &system.Options{
		Store:  inv.store,
		BootID: inv.boot,
		Log:    slog.New(&noticeHandler{screen: inv.stderr}),
	}
}

// read runs do with an engine that leaves the store free for others.
func (inv *invocation) read(ctx context.Context, do func(*system.Computer) error) error {
	options := inv.options()
	options.ReadOnly = true
	return runOn(ctx, options, do)
}

// write runs do with an engine that may change the store, and creates it if there is none.
func (inv *invocation) write(ctx context.Context, do func(*system.Computer) error) error {
	return runOn(ctx, inv.options(), do)
}

// change is like write for what makes no sense without a store: store.ErrMissing is the answer then.
func (inv *invocation) change(ctx context.Context, do func(*system.Computer) error) error {
	options := inv.options()
	options.NoCreate = true
	return runOn(ctx, options, do)
}

// readTokens is like read with the tokens of this boot. If nobody has written the store since the
// computer started, it begins the boot first, in one short write.
func (inv *invocation) readTokens(ctx context.Context, do func(*system.Computer) error) error {
	hasTokens := false
	err := inv.read(ctx, func(computer *system.Computer) error {
		if hasTokens = computer.HasTokens(); hasTokens {
			return do(computer)
		}
		return nil
	})
	if err != nil || hasTokens {
		return err
	}
	if err := inv.change(ctx, func(*system.Computer) error { return nil }); err != nil {
		return err
	}
	return inv.read(ctx, do)
}

func runOn(ctx context.Context, options *system.Options, do func(*system.Computer) error) error {
	computer, err := system.Open(ctx, options)
	if err != nil {
		return err
	}
	return errors.Join(do(computer), computer.Close())
}

// completeProtocol offers the protocols for the first argument and nothing for others.
func completeProtocol(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"udp", "tcp"}, cobra.ShellCompDirectiveNoFileComp
}

// completeBlock returns a completion that offers the protocols, then the ranges of blocks of the
// kinds that are there.
func (inv *invocation) completeBlock(kinds ...reservation.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return completeProtocol(cmd, args, text)
		}
		protocol, err := pool.ParseProtocol(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ranges []string
		err = inv.read(cmd.Context(), func(computer *system.Computer) error {
			blocks, err := computer.List(cmd.Context(), protocol)
			for _, b := range blocks {
				for _, kind := range kinds {
					if b.Kind == kind {
						ranges = append(ranges, cobra.CompletionWithDesc(b.Range.String(), describeKind(b)))
					}
				}
			}
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return ranges, cobra.ShellCompDirectiveNoFileComp
	}
}
