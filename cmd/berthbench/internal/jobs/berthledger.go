package jobs

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

// A berthLedger is Berth's engine on its store. A record is a persistent reservation of one port,
// with a label as long as the others' records are; creating it checks that it overlaps no other.
type berthLedger struct {
	process interface {
		reservation.API
		reservation.Inspector
	}
	close func() error
}

// openBerthLedger opens the engine alone: as the other keepers, it looks at its records and at
// nothing else.
func openBerthLedger(ctx context.Context, directory string) (ledger, error) {
	path := filepath.Join(directory, storeName)
	if err := createBaseRecords(ctx, path); err != nil {
		return nil, err
	}
	journal, err := store.Open(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	host, err := reservation.New(ctx, reservation.Config{Journal: journal, BootID: bootID})
	if err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	return berthLedger{host.Process(reservation.Caller{Elevated: true}), host.Close}, nil
}

// openComputerLedger opens the engine of this computer, which refuses ports that any socket has.
func openComputerLedger(ctx context.Context, directory string) (ledger, error) {
	if err := createBaseRecords(ctx, filepath.Join(directory, storeName)); err != nil {
		return nil, err
	}
	computer, err := openComputer(ctx, directory)
	if err != nil {
		return nil, err
	}
	return berthLedger{computer, computer.Close}, nil
}

// createBaseRecords makes a store with the base records, in one commit.
func createBaseRecords(ctx context.Context, path string) error {
	if err := store.Create(ctx, path, nil); err != nil {
		return err
	}
	journal, err := store.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	revision, err := journal.Revision(ctx)
	if err != nil {
		return errors.Join(err, journal.Close())
	}
	edits := make([]reservation.Edit, baseRecords)
	for i := range edits {
		number := uint16(1 + i)
		edits[i] = reservation.Edit{Op: reservation.EditPut, Record: reservation.Record{
			Protocol: reservation.UDP,
			Range:    pool.RangeOf(number),
			Kind:     reservation.Persistent,
			Serial:   uint64(number),
			Label:    labelOf(number),
			Created:  time.Now().UTC(),
		}}
	}
	_, err = journal.Commit(ctx, revision, edits)
	return errors.Join(err, journal.Close())
}

// labelOf returns the bytes of a record as a label, which has no zero bytes.
func labelOf(number uint16) string {
	label := valueOf(number)
	for i := range label {
		if label[i] == 0 {
			label[i] = '.'
		}
	}
	return string(label)
}

func (l berthLedger) Put(ctx context.Context, number uint16) error {
	_, err := l.process.CreatePersistent(ctx, reservation.UDP, pool.RangeOf(number), labelOf(number))
	return err
}

func (l berthLedger) Delete(ctx context.Context, number uint16) error {
	return l.process.DeletePersistent(ctx, reservation.UDP, pool.RangeOf(number))
}

func (l berthLedger) Count(ctx context.Context) (int, error) {
	blocks, err := l.process.List(ctx, reservation.UDP)
	return len(blocks), err
}

func (l berthLedger) Close() error { return l.close() }
