package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

const (
	groupDurable = "durable-create"
	groupMemory  = "memory"
	unitTime     = "ns/op"
)

// A ledger keeps small records durably: each has a number, below 65,536, and [valueSize] bytes. It is
// safe for concurrent use, by writers of different numbers. Put and Delete return when the change
// would survive a power cut.
type ledger interface {
	Put(ctx context.Context, number uint16) error
	Delete(ctx context.Context, number uint16) error
	Count(ctx context.Context) (int, error) // of the records that are there
	Close() error
}

// twoCopies is what Berth's store does for a commit.
const twoCopies = "two copies, each 2 fdatasync, both at once; who comes meanwhile shares the next"

const (
	valueSize   = 24   // bytes of a record
	baseRecords = 1000 // that are there before anything is measured, with the numbers from 1 on
	firstFree   = baseRecords + 1
)

// valueOf returns the bytes of a record.
func valueOf(number uint16) []byte {
	value := make([]byte, valueSize)
	copy(value, fmt.Sprintf("record %d", number))
	return value
}

// A keeper is who keeps records.
type keeper struct {
	name       string
	properties []string

	// open makes a ledger below directory with the base records in it.
	open func(ctx context.Context, directory string) (ledger, error)

	// operations returns how many a sample of that many writers should make, for about 50 ms.
	operations func(writers int) int
}

// perWriter returns a keeper's operations: at least alone altogether, and at least two by each.
func perWriter(alone int) func(int) int {
	return func(writers int) int { return max(alone, 2*writers) }
}

// together is for those whose writers share flushes: so many by each.
func together(each int) func(int) int {
	return func(writers int) int { return each * writers }
}

func keepers() []keeper {
	return []keeper{
		{name: "berth", properties: []string{"the engine on its store", twoCopies}, open: openBerthLedger, operations: func(writers int) int { return max(64, 16*writers) }},
		{name: "berth, sockets too", properties: []string{"also refuses ports that any socket of the computer has", twoCopies}, open: openComputerLedger, operations: func(writers int) int { return max(64, 16*writers) }},
		{name: "bbolt Update", properties: []string{"2 fdatasync each, one after the other"}, open: openBoltUpdate, operations: perWriter(64)},
		{name: "bbolt Batch, 1 ms", properties: []string{"2 fdatasync, shared by who comes within 1 ms"}, open: openBoltBatch(time.Millisecond), operations: func(writers int) int { return max(32, 16*writers) }},
		{name: "bbolt Batch", properties: []string{"2 fdatasync, shared by who comes within the default 10 ms"}, open: openBoltBatch(0), operations: together(4)},
		{name: "renameio JSON", properties: []string{"rewrites a file of 1,000 entries", "1 fsync each, none of the directory"}, open: openJSON, operations: perWriter(32)},
		{name: "SQLite WAL", properties: []string{"modernc.org/sqlite, synchronous=FULL, one connection", "1 fsync each, of the log"}, open: openSQLite("WAL"), operations: perWriter(64)},
		{name: "SQLite", properties: []string{"modernc.org/sqlite, default journal, synchronous=FULL, one connection", "4 fsync each"}, open: openSQLite("DELETE"), operations: perWriter(20)},
	}
}

// durableJobs returns the jobs of group "durable-create".
func durableJobs(options Options) []Job {
	var jobs []Job
	for _, writers := range []int{1, 8, 64} {
		work := result.Work{
			Name:        fmt.Sprintf("writers=%d", writers),
			Description: fmt.Sprintf("make a record of %d bytes durable, or its deletion, by turns, beside %d others", valueSize, baseRecords),
			Goroutines:  writers,
		}
		for _, keeper := range keepers() {
			operations := keeper.operations(writers)
			if !options.Quick {
				operations *= 2
			}
			jobs = append(jobs, Job{
				Group:      groupDurable,
				Work:       work,
				Subject:    keeper.name,
				Unit:       unitTime,
				Properties: keeper.properties,
				Prepare: func(ctx context.Context, directory string) (Measure, error) {
					return prepareDurable(ctx, directory, keeper, writers, operations)
				},
			})
		}
		if len(options.Podman) > 0 {
			jobs = append(jobs, podmanJob(options, work))
		}
	}
	return jobs
}

// A durableMeasure is writers at one ledger.
type durableMeasure struct {
	directory string
	ledger    ledger
	writers   int
	pairs     int // of a put and a delete, by each writer
}

// prepareDurable opens a keeper's ledger in a directory of its own below directory.
func prepareDurable(ctx context.Context, directory string, keeper keeper, writers, operations int) (*durableMeasure, error) {
	own, err := os.MkdirTemp(directory, "job-*")
	if err != nil {
		return nil, err
	}
	opened, err := keeper.open(ctx, own)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", keeper.name, err), os.RemoveAll(own))
	}
	m := &durableMeasure{directory: own, ledger: opened, writers: writers, pairs: max(1, operations/writers/2)}
	if err := m.check(ctx, baseRecords); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Sample lets every writer put and delete a record of its own, over and over. An operation is one of
// the two.
func (m *durableMeasure) Sample(ctx context.Context) (float64, int, int, error) {
	var writers sync.WaitGroup
	errs := make([]error, m.writers)
	started := time.Now()
	for i := range m.writers {
		writers.Go(func() { errs[i] = m.write(ctx, uint16(firstFree+i)) })
	}
	writers.Wait()
	elapsed := time.Since(started)
	if err := errors.Join(errs...); err != nil {
		return 0, 0, 0, err
	}
	if err := m.check(ctx, baseRecords); err != nil {
		return 0, 0, 0, err
	}
	operations := 2 * m.pairs * m.writers
	return float64(elapsed.Nanoseconds()) / float64(operations), operations, operations, nil
}

func (m *durableMeasure) write(ctx context.Context, number uint16) error {
	for range m.pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.ledger.Put(ctx, number); err != nil {
			return err
		}
		if err := m.ledger.Delete(ctx, number); err != nil {
			return err
		}
	}
	return nil
}

// check reports whether the ledger has as many records as it should.
func (m *durableMeasure) check(ctx context.Context, want int) error {
	count, err := m.ledger.Count(ctx)
	if err == nil && count != want {
		err = fmt.Errorf("the ledger has %d records and should have %d", count, want)
	}
	return err
}

// Close closes the ledger and removes its files.
func (m *durableMeasure) Close() error {
	return errors.Join(m.ledger.Close(), os.RemoveAll(m.directory))
}
