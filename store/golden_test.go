package store_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

var update = flag.Bool("update", false, "write the golden file anew")

const golden = "../testdata/store/version1.db"

// goldenEdits has one of everything that a store keeps.
func goldenEdits() []reservation.Edit {
	labelled := storetest.Record(pool.UDP, "50000-50099")
	labelled.Label = "media: Köln"
	exclusion := storetest.Record(pool.TCP, "1-65535")
	exclusion.Kind, exclusion.Store, exclusion.Label, exclusion.Serial = reservation.Exclusion, reservation.ActiveStore, "", 1<<64-1
	exclusion.Created = time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC)
	return []reservation.Edit{
		{Op: reservation.EditPut, Record: labelled},
		{Op: reservation.EditPut, Record: exclusion},
		{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, "65535")},
		{Op: reservation.EditBoot, Boot: reservation.Boot{ID: "first", Secret: [32]byte{1, 2, 3}}},
		{Op: reservation.EditBoot, Boot: reservation.Boot{ID: "second", Secret: [32]byte{31: 9}}},
		{Op: reservation.EditDynamic, Record: reservation.Record{Protocol: pool.UDP, Range: pool.MustParseRange("20000-29999")}},
	}
}

// A file of format 1 is read for ever. The golden file was written once, by -update; it is read by
// every version and on every system.
func TestGoldenFile(t *testing.T) {
	if *update {
		path := newStore(t)
		s := openStore(t, path, nil)
		base, err := s.Revision(t.Context())
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), base, goldenEdits())
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, os.RemoveAll(golden))
		require.NoError(t, store.Backup(t.Context(), path, golden))
	}
	path := filepath.Join(t.TempDir(), "private", "berth.db")
	require.NoError(t, store.Restore(t.Context(), path, golden))
	image, err := openStore(t, path, nil).Load(t.Context())
	require.NoError(t, err)

	// The same edits on memory give the same content.
	memory := reservation.NewMemoryJournal()
	base, err := memory.Revision(t.Context())
	require.NoError(t, err)
	_, err = memory.Commit(t.Context(), base, goldenEdits())
	require.NoError(t, err)
	want, err := memory.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, want.Records, image.Records)
	require.Equal(t, want.Boot, image.Boot)
	require.Equal(t, want.Earlier, image.Earlier)
	require.Equal(t, want.Dynamic, image.Dynamic)
}
