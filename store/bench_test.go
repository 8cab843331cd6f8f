package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

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

// newFilledStore makes a store of n records that came in random order, in commits of 100.
func newFilledStore(b testing.TB, n int) string {
	b.Helper()
	path := newStore(b)
	s, err := store.Open(b.Context(), path, nil)
	require.NoError(b, err)
	records := manyPorts(n)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { records[i], records[j] = records[j], records[i] })
	revision, err := s.Revision(b.Context())
	require.NoError(b, err)
	for len(records) > 0 {
		batch := records[:min(100, len(records))]
		records = records[len(batch):]
		revision, err = s.Commit(b.Context(), revision, puts(batch))
		require.NoError(b, err)
	}
	require.NoError(b, s.Close())
	return path
}

// bareValue is as long as the store's own record of storetest.Record.
func bareValue() []byte { return make([]byte, 34+len("block 50000-50001")+4) }

func openBare(b testing.TB, path string) *bolt.DB {
	b.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{PageSize: 4096, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

func put2(port int) []byte { return []byte{byte(port >> 8), byte(port)} }

// BenchmarkCreate is one durable create by one writer who waits for it, over and over. Every create
// is undone by the next iteration's, so that the content stays small: put and delete are counted as two.
func BenchmarkCreate(b *testing.B) {
	record := storetest.Record(pool.UDP, "50000-50099")
	b.Run("bbolt", func(b *testing.B) {
		db := openBare(b, filepath.Join(b.TempDir(), "bare.db"))
		require.NoError(b, db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("udp")); return err }))
		value := bareValue()
		for i := 0; b.Loop(); i++ {
			require.NoError(b, db.Update(func(tx *bolt.Tx) error {
				if i%2 == 1 {
					return tx.Bucket([]byte("udp")).Delete(put2(50000))
				}
				return tx.Bucket([]byte("udp")).Put(put2(50000), value)
			}))
		}
	})
	b.Run("store", func(b *testing.B) {
		s := openStore(b, newStore(b), nil)
		revision, err := s.Revision(b.Context())
		require.NoError(b, err)
		for i := 0; b.Loop(); i++ {
			op := reservation.EditPut
			if i%2 == 1 {
				op = reservation.EditDelete
			}
			revision, err = s.Commit(b.Context(), revision, []reservation.Edit{{Op: op, Record: record}})
			require.NoError(b, err)
		}
	})
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
	b.Run("bbolt/scan", func(b *testing.B) {
		db := openBare(b, bare)
		for b.Loop() {
			scan(b, db)
		}
	})
	b.Run("bbolt/open+scan", func(b *testing.B) {
		for b.Loop() {
			db, err := bolt.Open(bare, 0o600, &bolt.Options{PageSize: 4096, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoStatistics: true})
			require.NoError(b, err)
			scan(b, db)
			require.NoError(b, db.Close())
		}
	})
	for _, mode := range []string{"exclusive", "read-only"} {
		b.Run("store/"+mode, func(b *testing.B) {
			for b.Loop() {
				s, err := store.Open(b.Context(), path, &store.Options{ReadOnly: mode == "read-only"})
				require.NoError(b, err)
				require.NoError(b, s.Close())
			}
		})
	}
	b.Run("store/load", func(b *testing.B) {
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
	for _, mode := range []string{"exclusive", "read-only"} {
		b.Run(mode, func(b *testing.B) {
			s := openStore(b, path, &store.Options{ReadOnly: mode == "read-only"})
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.Revision(b.Context())
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkBoot is the commit that begins a boot, whatever the number of reservations.
func BenchmarkBoot(b *testing.B) {
	for _, n := range []int{10, manyRecords} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
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

var _ sync.Mutex
