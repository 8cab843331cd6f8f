package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

// newStoreOf makes a store of single blocks of UDP ports, each in a commit of its own.
func newStoreOf(t testing.TB, blocks ...string) string {
	t.Helper()
	path := newStore(t)
	s := openStore(t, path, nil)
	for _, block := range blocks {
		require.NoError(t, putBlock(t, s, block))
	}
	require.NoError(t, s.Close())
	return path
}

func TestCheck(t *testing.T) {
	path := newStoreOf(t, "100-199", "200-299")
	s := openStore(t, path, nil)
	report, err := store.Check(t.Context(), path)
	require.NoError(t, err, "beside the process that holds it")
	require.NoError(t, report.Err())
	revision, err := s.Revision(t.Context())
	require.NoError(t, err)
	require.Equal(t, revision, report.Revision)
	require.Equal(t, 2, report.UDP)
	require.Zero(t, report.TCP)
	require.Empty(t, report.Problems)
	for _, file := range report.Files {
		require.Equal(t, store.StateWhole, file.State)
		require.Equal(t, revision.Number, file.Commit)
		require.Equal(t, 2, file.Records)
	}
	_, err = json.Marshal(report)
	require.NoError(t, err)
	require.NoError(t, s.Close())

	image, err := os.ReadFile(path)
	require.NoError(t, err)
	image[4096+70] ^= 1 // the transaction number of a meta page
	require.NoError(t, os.WriteFile(path, image, 0o600))
	report, err = store.Check(t.Context(), path)
	require.NoError(t, err)
	require.ErrorIs(t, report.Err(), store.ErrDamaged)
	require.Equal(t, store.StateHalved, report.Files[0].State)
	require.Equal(t, store.StateWhole, report.Files[1].State)
	require.Equal(t, "meta page 1", report.Problems[0].Where)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, image, after, "a check changes nothing")
	require.NoError(t, os.Remove(path+".copy"))
	_, err = store.Open(t.Context(), path, nil)
	require.ErrorIs(t, err, store.ErrDamaged, "alone it cannot tell whether the last commit is lost")
}

func TestBackupAndRestore(t *testing.T) {
	path := newStoreOf(t, "100-199")
	s := openStore(t, path, &store.Options{Exclusive: true})
	before, err := s.Load(t.Context())
	require.NoError(t, err)
	backup := filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, store.Backup(t.Context(), path, backup), "while the store is in use")
	require.ErrorIs(t, store.Backup(t.Context(), path, backup), store.ErrExist)
	require.NoError(t, putBlock(t, s, "200-299"))
	require.ErrorIs(t, store.Restore(t.Context(), path, backup), store.ErrBusy, "a store that is held is not pulled away")
	require.NoError(t, s.Close())

	require.NoError(t, store.Restore(t.Context(), path, backup))
	require.Len(t, quarantined(t, path), 2, "the former files are kept")
	s = openStore(t, path, nil)
	require.Empty(t, s.Repairs())
	after, err := s.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Records, after.Records)
	require.NotEqual(t, before.Revision.Lineage, after.Revision.Lineage, "revisions are not counted anew")
	require.NoError(t, putBlock(t, s, "300-399"))
	require.NoError(t, s.Close())

	// On another computer there is no store yet.
	elsewhere := filepath.Join(t.TempDir(), "new", "berth.db")
	require.NoError(t, store.Restore(t.Context(), elsewhere, backup))
	require.Equal(t, []string{"100-199"}, ports(t, openStore(t, elsewhere, nil)))
	require.ErrorIs(t, store.Create(t.Context(), elsewhere, nil), store.ErrExist)
}

// A damaged backup is refused before anything is changed.
func TestRestoreDamagedBackup(t *testing.T) {
	path := newStoreOf(t, "100-199")
	backup := filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, store.Backup(t.Context(), path, backup))
	image, err := os.ReadFile(backup)
	require.NoError(t, err)
	for at := 0; at < len(image); at += 97 {
		image[at] ^= 0xff
		require.NoError(t, os.WriteFile(backup, image, 0o600))
		image[at] ^= 0xff
		err := store.Restore(t.Context(), path, backup)
		if err != nil {
			require.ErrorIs(t, err, store.ErrDamaged)
			continue
		}
		require.Equal(t, []string{"100-199"}, ports(t, openStore(t, path, nil)))
		break // the byte is on a free page
	}
	require.ErrorIs(t, store.Restore(t.Context(), path, backup+".not"), os.ErrNotExist)
	require.ErrorIs(t, store.Restore(t.Context(), path, t.TempDir()), store.ErrUnsafePath)
}

// Who looks, and who shares the store, sees that it was restored under it, and goes on.
func TestRestoreUnderneath(t *testing.T) {
	path := newStoreOf(t, "100-199")
	backup := filepath.Join(t.TempDir(), "backup.db")
	require.NoError(t, store.Backup(t.Context(), path, backup))
	s := openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "200-299"))
	stale, err := s.Revision(t.Context())
	require.NoError(t, err)
	looker := openStore(t, path, &store.Options{ReadOnly: true})
	require.Len(t, ports(t, looker), 2)
	require.NoError(t, store.Restore(t.Context(), path, backup))
	_, err = s.Commit(t.Context(), stale, []reservation.Edit{{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, "300-399")}})
	require.ErrorIs(t, err, reservation.ErrStale)
	require.Equal(t, []string{"100-199"}, ports(t, looker))
	require.Equal(t, []string{"100-199"}, ports(t, s))
	require.NoError(t, putBlock(t, s, "200-249"))
	require.Equal(t, []string{"100-199", "200-249"}, ports(t, looker))
}

func TestSalvageWhole(t *testing.T) {
	path := newStoreOf(t, "100-199", "200-299")
	salvaged, err := store.Salvage(t.Context(), path)
	require.NoError(t, err)
	require.True(t, salvaged.Whole)
	require.Empty(t, salvaged.Problems)
	require.Empty(t, salvaged.Doubtful)
	require.Len(t, salvaged.Records, 2)

	_, err = store.Salvage(t.Context(), filepath.Join(t.TempDir(), "berth.db"))
	require.ErrorIs(t, err, store.ErrMissing)
}

// Both files lost the same page: what lies on the others comes back, through JSON and an editor.
func TestSalvageAndRebuild(t *testing.T) {
	const blocks = 400
	path := newStore(t)
	s := openStore(t, path, nil)
	var edits []reservation.Edit
	for i := range blocks {
		edits = append(edits, reservation.Edit{Op: reservation.EditPut, Record: storetest.Record(pool.TCP, fmt.Sprintf("%d+10", 1+i*20))})
	}
	base, err := s.Revision(t.Context())
	require.NoError(t, err)
	base, err = s.Commit(t.Context(), base, edits)
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), base, []reservation.Edit{{Op: reservation.EditDelete, Record: edits[7].Record}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, name := range []string{path, path + ".copy"} {
		image, err := os.ReadFile(name)
		require.NoError(t, err)
		damageLeaf(t, image)
		require.NoError(t, os.WriteFile(name, image, 0o600))
	}
	_, err = store.Open(t.Context(), path, nil)
	require.ErrorIs(t, err, store.ErrDamaged)

	salvaged, err := store.Salvage(t.Context(), path)
	require.NoError(t, err)
	require.False(t, salvaged.Whole)
	require.Len(t, salvaged.Problems, 2)
	require.Greater(t, len(salvaged.Records), blocks/2)
	for _, record := range salvaged.Records {
		require.NotEqual(t, edits[7].Record.Range, record.Range, "what was deleted stays deleted")
	}
	text, err := json.Marshal(salvaged)
	require.NoError(t, err)
	var edited store.Salvaged
	require.NoError(t, json.Unmarshal(text, &edited))
	require.NoError(t, store.Rebuild(t.Context(), path, &edited))
	require.Len(t, quarantined(t, path), 2)
	image, err := openStore(t, path, nil).Load(t.Context())
	require.NoError(t, err)
	require.Len(t, image.Records, len(salvaged.Records))
	for i, record := range image.Records {
		require.Equal(t, storetest.Record(pool.TCP, fmt.Sprintf("%d+10", record.Range.First())), record)
		require.Equal(t, salvaged.Records[i].Range, record.Range)
	}
}

// damageLeaf breaks the first byte of a label on one page in use.
func damageLeaf(t testing.TB, image []byte) {
	t.Helper()
	for at := 3 * page; at < len(image); at += page {
		if image[at+8] == 2 && image[at+10] > 20 { // a leaf with many elements
			clear(image[at : at+8]) // it forgets its own number
			return
		}
	}
	t.Fatal("no leaf page")
}

// What Rebuild is given is checked like any commit, before anything is changed.
func TestRebuildInvalid(t *testing.T) {
	path := newStoreOf(t, "100-199")
	good := store.SalvagedRecord{Protocol: pool.UDP, Range: pool.MustParseRange("5000-5099"), Kind: "persistent"}
	for name, change := range map[string]func(r *store.SalvagedRecord){
		"overlap":  func(r *store.SalvagedRecord) {},
		"kind":     func(r *store.SalvagedRecord) { r.Kind = "runtime" },
		"store":    func(r *store.SalvagedRecord) { r.Store = "somewhere" },
		"range":    func(r *store.SalvagedRecord) { r.Range = pool.Range{} },
		"protocol": func(r *store.SalvagedRecord) { r.Protocol = 0 },
		"label":    func(r *store.SalvagedRecord) { r.Label = "\x00" },
	} {
		bad := good
		change(&bad)
		err := store.Rebuild(t.Context(), path, &store.Salvaged{Records: []store.SalvagedRecord{good, bad}})
		require.ErrorIs(t, err, reservation.ErrInvalid, name)
	}
	require.ErrorIs(t, store.Rebuild(t.Context(), path, nil), reservation.ErrInvalid)
	require.Empty(t, quarantined(t, path))
	require.Equal(t, []string{"100-199"}, ports(t, openStore(t, path, nil)))
}
