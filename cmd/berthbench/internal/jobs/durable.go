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
const twoCopies = "two copies, each 1 fdatasync, both at once; who comes meanwhile shares the next"

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
	files      string // what its files are called among others'; empty if they are another keeper's too
	properties []string

	// A sample has so many operations, at least alone altogether and each by every writer: about 50 ms.
	alone, each int

	// open makes a ledger below directory with the base records in it.
	open func(ctx context.Context, directory string) (ledger, error)
}

func keepers() []keeper {
	return []keeper{
		{name: "berth", files: "berth", alone: 64, each: 16, open: openBerthLedger,
			properties: []string{"the engine on its store", twoCopies}},
		{name: "berth, sockets too", alone: 64, each: 16, open: openComputerLedger,
			properties: []string{"also refuses ports that any socket of the computer has", twoCopies}},
		{name: "bbolt Update", files: "bbolt", alone: 64, each: 2, open: openBoltUpdate,
			properties: []string{"2 fdatasync each, one after the other"}},
		{name: "bbolt Batch, 1 ms", alone: 32, each: 16, open: openBoltBatch(time.Millisecond),
			properties: []string{"2 fdatasync, shared by who comes within 1 ms"}},
		{name: "bbolt Batch", alone: 4, each: 4, open: openBoltBatch(0),
			properties: []string{"2 fdatasync, shared by who comes within the default 10 ms"}},
		{name: "renameio JSON", files: "JSON", alone: 32, each: 2, open: openJSON,
			properties: []string{"rewrites a file of 1,000 entries", "1 fsync each, none of the directory"}},
		{name: "SQLite WAL", files: "SQLite WAL", alone: 64, each: 2, open: openSQLite("WAL"),
			properties: []string{"modernc.org/sqlite, synchronous=FULL, one connection", "1 fsync each, of a log at its full length"}},
		{name: "SQLite", files: "SQLite", alone: 20, each: 2, open: openSQLite("DELETE"),
			properties: []string{"modernc.org/sqlite, default journal, synchronous=FULL, one connection", "4 fsync each"}},
	}
}

// operations returns how many a sample of that many writers has.
func operations(alone, each, writers int, quick bool) int {
	count := max(alone, each*writers)
	if !quick {
		count *= 2
	}
	return count
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
			count := operations(keeper.alone, keeper.each, writers, options.Quick)
			jobs = append(jobs, Job{
				Group:      groupDurable,
				Work:       work,
				Subject:    keeper.name,
				Unit:       unitTime,
				Properties: keeper.properties,
				Prepare: func(ctx context.Context, directory string) (Measure, error) {
					return prepareDurable(ctx, directory, keeper, writers, count)
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
