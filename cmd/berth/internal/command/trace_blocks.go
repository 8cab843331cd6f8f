package command

import (
	"context"
	"os"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// A blockReader lists the blocks of a store that may be made only later: no look creates it.
type blockReader struct {
	inv      *invocation
	computer *system.Computer // nil before the first look
	missing  string           // path of a store that was not there
}

// open opens the store, or again if it is there by now.
func (b *blockReader) open(ctx context.Context) error {
	if b.computer != nil {
		if _, err := os.Lstat(b.missing); b.missing == "" || err != nil {
			return nil
		}
		if err := b.close(); err != nil {
			return err
		}
	}
	options := b.inv.options()
	options.ReadOnly = true
	computer, err := system.Open(ctx, options)
	if err != nil {
		return err
	}
	b.computer, b.missing = computer, ""
	if path := computer.StorePath(); path != "" {
		if _, err := os.Lstat(path); err != nil {
			b.missing = path
		}
	}
	return nil
}

func (b *blockReader) list(ctx context.Context) ([]reservation.Block, error) {
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b.computer.List(ctx, 0)
}

// watcher returns who tells of changes, nil if nobody does.
func (b *blockReader) watcher(ctx context.Context) reservation.Watcher {
	if err := b.open(ctx); err != nil || b.missing != "" {
		return nil // the first look meets the error again
	}
	return b.computer
}

func (b *blockReader) close() error {
	if b.computer == nil {
		return nil
	}
	computer := b.computer
	b.computer = nil
	return computer.Close()
}
