package store_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

// The bars of the store, each beside bare bbolt doing the same work in the same run.

const manyRecords = 30_000

// manyPorts returns n blocks of one protocol that do not touch.
func manyPorts(n int) []reservation.Record {
	records := make([]reservation.Record, n)
	for i := range records {
		records[i] = storetest.Record(pool.UDP, fmt.Sprintf("%d+2", 1+2*i))
	}
	return records
}

func puts(records []reservation.Record) []reservation.Edit {
	edits := make([]reservation.Edit, len(records))
	for i, record := range records {
		edits[i] = reservation.Edit{Op: reservation.EditPut, Record: record}
	}
	return edits
}

// batchSize is how many records a store is filled with in each commit.
const batchSize = 100

// shuffledPorts returns n blocks that do not touch, in an order that is always the same.
func shuffledPorts(n int) []reservation.Record {
	records := manyPorts(n)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { records[i], records[j] = records[j], records[i] })
	return records
}

// newFilledStore makes a store of n records that came in random order.
func newFilledStore(b testing.TB, n int) string {
	b.Helper()
	path := newStore(b)
	s, err := store.Open(b.Context(), path, nil)
	require.NoError(b, err)
	revision, err := s.Revision(b.Context())
	require.NoError(b, err)
	for batch := range slices.Chunk(shuffledPorts(n), batchSize) {
		revision, err = s.Commit(b.Context(), revision, puts(batch))
		require.NoError(b, err)
	}
	require.NoError(b, s.Close())
	return path
}

// bareSize is how long the store's own record is, but for its label.
const bareSize = 34 + 4

// bareValue is as long as the store's own record of a typical block.
func bareValue() []byte { return make([]byte, bareSize+len("block 50000-50001")) }

func openBare(b testing.TB, path string) *bolt.DB {
	b.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: 4096, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

// commitsInTurn is how many commits one contender makes before the next has its turn.
const commitsInTurn = 10

// BenchmarkCreate is one durable commit by one writer who waits for it, over and over: a create and its delete by
// turns, so that the content stays small. Bare bbolt does it on one file; the store on two, held exclusively and
// shared with nobody there. They take turns, a few commits each, and the medians of the turns are reported;
// "x-bbolt" is the quotient, which the bar is about. The op is one turn of each.
func BenchmarkCreate(b *testing.B) {
	for _, n := range []int{0, 1000} {
		b.Run(fmt.Sprintf("reservations=%d", n), func(b *testing.B) {
			contenders := []struct {
				name string
				turn func() time.Duration
			}{
				{"bbolt", bareTurn(b, n)},
				{"exclusive", storeTurn(b, openStore(b, newFilledStore(b, n), &store.Options{Exclusive: true}))},
				{"shared", storeTurn(b, openStore(b, newFilledStore(b, n), nil))},
			}
			took := make([][]time.Duration, len(contenders))
			for b.Loop() {
				for i, contender := range contenders {
					took[i] = append(took[i], contender.turn())
				}
			}
			for i, contender := range contenders {
				b.ReportMetric(float64(median(took[i]).Nanoseconds())/commitsInTurn, contender.name+"-ns/commit")
				if i > 0 {
					b.ReportMetric(float64(median(took[i]))/float64(median(took[0])), contender.name+"-x-bbolt")
				}
			}
		})
	}
}

// storeTurn returns a function that makes a turn of commits as one caller, and says how long it took.
func storeTurn(b *testing.B, s *store.Store) func() time.Duration {
	record := storetest.Record(pool.UDP, "65400-65499")
	return func() time.Duration {
		start := time.Now()
		for i := range commitsInTurn {
			op := reservation.EditPut
			if i%2 == 1 {
				op = reservation.EditDelete
			}
			revision, err := s.Revision(b.Context())
			require.NoError(b, err)
			_, err = s.Commit(b.Context(), revision, []reservation.Edit{{Op: op, Record: record}})
			require.NoError(b, err)
		}
		return time.Since(start)
	}
}

// bareTurn does the same on one file of bare bbolt.
func bareTurn(b *testing.B, records int) func() time.Duration {
	db := openBare(b, filepath.Join(b.TempDir(), "bare.db"))
	require.NoError(b, db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("udp")); return err }))
	for batch := range slices.Chunk(shuffledPorts(records), batchSize) { // as in newFilledStore: the same tree
		require.NoError(b, db.Update(func(tx *bolt.Tx) error {
			for _, record := range batch {
				value := make([]byte, bareSize+len(record.Label))
				if err := tx.Bucket([]byte("udp")).Put(binary.BigEndian.AppendUint16(nil, record.Range.First()), value); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return func() time.Duration {
		start := time.Now()
		for i := range commitsInTurn {
			bareCommit(b, db, i)
		}
		return time.Since(start)
	}
}

// BenchmarkByTurns is a commit after somebody else's: two stores share the files and commit by turns, so that
// each finds both files changed, reads and verifies them, and lets bbolt open them anew.
func BenchmarkByTurns(b *testing.B) {
	for _, n := range []int{0, 1000, manyRecords} {
		b.Run(fmt.Sprintf("reservations=%d", n), func(b *testing.B) {
			path := newFilledStore(b, n)
			stores := []*store.Store{openStore(b, path, nil), openStore(b, path, nil)}
			boot := []reservation.Edit{{Op: reservation.EditBoot, Boot: reservation.Boot{ID: "2f1c9f3e-5f7d-4c0e-a9a7-3b0e64d4a111"}}}
			for i := 0; b.Loop(); i++ {
				s := stores[i%2]
				revision, err := s.Revision(b.Context())
				require.NoError(b, err)
				_, err = s.Commit(b.Context(), revision, boot)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkSharing is eight programs that create, delete and look up on one store at once, through an engine
// each. The op is 1000 calls of each; "x-mean" is the worst wait of a call that changed the store, in mean waits.
func BenchmarkSharing(b *testing.B) {
	for b.Loop() {
		history := runSharers(b, newStore(b), 8, 500)
		b.ReportMetric(logWaits(b, history), "x-mean")
	}
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

func bareCommit(b *testing.B, db *bolt.DB, i int) {
	err := db.Update(func(tx *bolt.Tx) error {
		if i%2 == 1 {
			return tx.Bucket([]byte("udp")).Delete([]byte{0xff, 0x78})
		}
		return tx.Bucket([]byte("udp")).Put([]byte{0xff, 0x78}, bareValue())
	})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkWriters is a durable create and its delete, by one writer or by 64 at once, through the engine, which shares
// commits, beside bare bbolt's Update. They take turns, and the medians of the turns are reported: "ns/pair" is
// the time from one create and delete to the next, of all writers together, "x-rate" how many times bbolt's rate that is.
func BenchmarkWriters(b *testing.B) {
	const pairs = 4 // of each writer in a turn
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			bare := openBare(b, filepath.Join(b.TempDir(), "bare.db"))
			require.NoError(b, bare.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("udp")); return err }))
			contenders := []struct {
				name string
				pair func(port uint16)
			}{
				{"bbolt", func(port uint16) { barePair(b, bare, port) }},
				{"exclusive", enginePair(b, &store.Options{Exclusive: true})},
				{"shared", enginePair(b, nil)},
			}
			took := make([][]time.Duration, len(contenders))
			for b.Loop() {
				for i, contender := range contenders {
					start := time.Now()
					var group sync.WaitGroup
					for w := range writers {
						group.Go(func() {
							for p := range pairs {
								contender.pair(uint16(1 + w*pairs + p))
							}
						})
					}
					group.Wait()
					took[i] = append(took[i], time.Since(start))
				}
			}
			for i, contender := range contenders {
				b.ReportMetric(float64(median(took[i]).Nanoseconds())/float64(writers*pairs), contender.name+"-ns/pair")
				if i > 0 {
					b.ReportMetric(float64(median(took[0]))/float64(median(took[i])), contender.name+"-x-rate")
				}
			}
		})
	}
}

// enginePair returns a function that creates and deletes a block of one port.
func enginePair(b *testing.B, options *store.Options) func(port uint16) {
	host, err := reservation.New(b.Context(), reservation.Config{Journal: openStore(b, newStore(b), options), BootID: "benchmark"})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, host.Close()) })
	process := host.Process(reservation.Caller{Elevated: true})
	return func(port uint16) {
		r := pool.RangeOf(port)
		if _, err := process.CreatePersistent(b.Context(), pool.UDP, r, ""); err != nil {
			b.Error(err)
		}
		if err := process.DeletePersistent(b.Context(), pool.UDP, r); err != nil {
			b.Error(err)
		}
	}
}

func barePair(b *testing.B, db *bolt.DB, port uint16) {
	key := binary.BigEndian.AppendUint16(nil, port)
	err := db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("udp")).Put(key, bareValue()) })
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("udp")).Delete(key) })
	}
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkOpen is opening a store of 30,000 reservations, all bytes of both files verified, and
// loading it, beside a bare bbolt scan of the same bucket in the same file.
func BenchmarkOpen(b *testing.B) {
	path := newFilledStore(b, manyRecords)
	scan := func(b *testing.B, db *bolt.DB) {
		n := 0
		require.NoError(b, db.View(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("udp")).ForEach(func(k, v []byte) error { n++; return nil })
		}))
		require.Equal(b, manyRecords, n)
	}
	bare := filepath.Join(b.TempDir(), "bare.db")
	data, err := os.ReadFile(path)
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(bare, data, 0o600))
	b.Run("by=bbolt/do=scan", func(b *testing.B) {
		db := openBare(b, bare)
		for b.Loop() {
			scan(b, db)
		}
	})
	b.Run("by=bbolt/do=open+scan", func(b *testing.B) {
		for b.Loop() {
			db, err := bolt.Open(bare, 0o600, &bolt.Options{PageSize: 4096, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true})
			require.NoError(b, err)
			scan(b, db)
			require.NoError(b, db.Close())
		}
	})
	for _, mode := range []string{"shared", "exclusive", "read-only"} {
		b.Run("by=store/do=open/mode="+mode, func(b *testing.B) {
			for b.Loop() {
				s, err := store.Open(b.Context(), path, &store.Options{ReadOnly: mode == "read-only", Exclusive: mode == "exclusive"})
				require.NoError(b, err)
				require.NoError(b, s.Close())
			}
		})
	}
	b.Run("by=store/do=load", func(b *testing.B) {
		s := openStore(b, path, nil)
		for b.Loop() {
			_, err := s.Load(b.Context())
			require.NoError(b, err)
		}
	})
}

// BenchmarkRevision is what a reader pays to know that nothing has changed.
func BenchmarkRevision(b *testing.B) {
	path := newStore(b)
	longAgo := time.Now().Add(-time.Hour) // a directory that changed a moment ago is looked at more closely
	require.NoError(b, os.Chtimes(filepath.Dir(path), longAgo, longAgo))
	for _, mode := range []string{"exclusive", "read-only", "shared"} {
		b.Run("mode="+mode, func(b *testing.B) {
			s := openStore(b, path, &store.Options{ReadOnly: mode == "read-only", Exclusive: mode == "exclusive"})
			require.NoError(b, os.Chtimes(filepath.Dir(path), longAgo, longAgo))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Revision(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBoot is the commit that begins a boot, whatever the number of reservations.
func BenchmarkBoot(b *testing.B) {
	for _, n := range []int{10, manyRecords} {
		b.Run(fmt.Sprintf("reservations=%d", n), func(b *testing.B) {
			s := openStore(b, newFilledStore(b, n), nil)
			revision, err := s.Revision(b.Context())
			require.NoError(b, err)
			for b.Loop() {
				revision, err = s.Commit(b.Context(), revision, []reservation.Edit{{Op: reservation.EditBoot, Boot: reservation.Boot{ID: "2f1c9f3e-5f7d-4c0e-a9a7-3b0e64d4a111"}}})
				require.NoError(b, err)
			}
		})
	}
}
