//go:build failpoints

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

// injected is what the failing disk says.
var injected = fmt.Errorf("injected: %w", syscall.EIO)

// failAt makes the nth pass of a failpoint fail, or the nth and all later ones. It returns how
// often the point has been passed.
func failAt(t *testing.T, point string, nth int64, forever bool) *atomic.Int64 {
	passed := new(atomic.Int64)
	store.SetFailpoint(func(at, _ string) error {
		if at != point {
			return nil
		}
		if n := passed.Add(1); n == nth || forever && n > nth {
			return injected
		}
		return nil
	})
	t.Cleanup(func() { store.SetFailpoint(nil) })
	return passed
}

// Each step at which a write, flush, rename or link can fail fails once, and fails from then on, at
// every place in a life of a store: creation, opening, commits, closing. After every error memory,
// files and what was acknowledged are the same; when the disk is well again the store goes on.
func TestFaultSweep(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) { sweepFaults(t, options) })
	}
}

func sweepFaults(t *testing.T, options *store.Options) {
	faults := 0
	for _, point := range store.Failpoints() {
		for _, forever := range []bool{false, true} {
			for nth := int64(1); ; nth++ {
				passed := failAt(t, point, nth, forever)
				path := filepath.Join(t.TempDir(), "private", "berth.db")
				name := fmt.Sprintf("%s, pass %d, forever %v", point, nth, forever)
				liveThrough(t, name, path, options)
				if passed.Load() < nth {
					break
				}
				faults++
			}
		}
	}
	t.Logf("%d faults", faults)
	require.Greater(t, faults, 2*len(store.Failpoints()))
}

// liveThrough creates a store and commits to it, with one fault somewhere on the way.
func liveThrough(t *testing.T, name, path string, options *store.Options) {
	t.Helper()
	ctx := t.Context()
	if err := store.Create(ctx, path, nil); err != nil {
		require.ErrorIs(t, err, injected, name)
		recoverCreation(t, name, path)
	}
	s, err := store.Open(ctx, path, options)
	if err != nil {
		require.ErrorIs(t, err, injected, name)
		store.SetFailpoint(nil)
		s, err = store.Open(ctx, path, options)
	}
	require.NoError(t, err, name)
	acknowledged := load(t, s)
	for i := range 6 {
		edits := []reservation.Edit{{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, fmt.Sprintf("%d+10", 1+i*10))}}
		if i == 3 {
			edits = []reservation.Edit{{Op: reservation.EditDelete, Record: storetest.Record(pool.UDP, fmt.Sprintf("%d+10", acknowledged.Records[0].Range.First()))}}
		}
		if err := commitAgain(t, s, edits); err != nil {
			require.ErrorIs(t, err, injected, name)
			now := load(t, s)
			if !options.Exclusive {
				acknowledged.Revision = now.Revision // a shared store takes a new one
			}
			require.NoError(t, sameImage(acknowledged, now), name)
			if !errors.Is(err, store.ErrFailed) { // the files were replaced: what failed is surely absent
				requireOnDisk(t, name, path, acknowledged)
				err = commitAgain(t, s, edits)
			}
			if err != nil { // the disk gets well again, and the store goes on without a restart
				store.SetFailpoint(nil)
				err = commitAgain(t, s, edits)
			}
			require.NoError(t, err, name)
		}
		acknowledged = load(t, s)
	}
	require.NoError(t, s.Close(), name)
	store.SetFailpoint(nil)
	requireOnDisk(t, name, path, acknowledged)
	report, err := store.Check(ctx, path)
	require.NoError(t, err, name)
	require.NoError(t, report.Err(), name)
	requireTidy(t, name, path)
}

// commitAgain commits, as the engine does, until the base is not stale.
func commitAgain(t *testing.T, s *store.Store, edits []reservation.Edit) error {
	for {
		base, err := s.Revision(t.Context())
		require.NoError(t, err)
		if _, err = s.Commit(t.Context(), base, edits); !errors.Is(err, reservation.ErrStale) {
			return err
		}
	}
}

// recoverCreation goes on after a creation that failed: there is nothing, or a whole empty store.
func recoverCreation(t *testing.T, name, path string) {
	t.Helper()
	store.SetFailpoint(nil)
	s, err := store.Open(t.Context(), path, nil)
	if errors.Is(err, store.ErrMissing) {
		require.NoError(t, store.Create(t.Context(), path, nil), name)
		return
	}
	require.NoError(t, err, name)
	require.Empty(t, load(t, s).Records, name)
	require.NoError(t, s.Close(), name)
}

func load(t *testing.T, s *store.Store) *reservation.Image {
	t.Helper()
	image, err := s.Load(t.Context())
	require.NoError(t, err)
	return image
}

func requireOnDisk(t *testing.T, name, path string, want *reservation.Image) {
	t.Helper()
	s, err := store.Open(t.Context(), path, &store.Options{ReadOnly: true})
	require.NoError(t, err, name)
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, sameImage(want, load(t, s)), name)
}

// requireTidy requires that nothing but the store's own four files is left.
func requireTidy(t *testing.T, name, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	for _, entry := range entries {
		require.Contains(t, []string{"berth.db", "berth.db.copy", "berth.db.lock", "berth.db.queue"}, entry.Name(), name)
	}
}

// A process that dies at a failpoint, wherever in the life of a store, leaves one that opens by
// itself and holds everything that was acknowledged.
func TestKillAtFailpoints(t *testing.T) {
	kills := 0
	for _, point := range store.Failpoints() {
		for nth := 1; nth <= 8; nth += 1 + nth/3 {
			path := filepath.Join(t.TempDir(), "private", "berth.db")
			present := map[int]bool{}
			for range 2 {
				ledger := killAtFailpoint(t, path, fmt.Sprintf("%s=%d", point, nth))
				ledger.replay(t, present)
				ledger.settle(t, path, present)
				kills++
			}
		}
	}
	t.Logf("%d kills", kills)
}

func killAtFailpoint(t *testing.T, path, spec string) ledger {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	writer := exec.CommandContext(ctx, program)
	writer.Env = append(os.Environ(), writerPath+"="+path, writerFailpoint+"="+spec)
	return follow(t, writer, nil, 40)
}

func setWriterFailpoint(spec string) error {
	if spec == "" {
		return nil
	}
	hook, err := store.KillFailpoint(spec)
	if err != nil {
		return err
	}
	store.SetFailpoint(hook)
	return nil
}

// A commit that is in both files, of a process that was killed before it flushed them, is flushed before anybody
// relies on it: the next commit overwrites what the one before it left. It is done once.
func TestSettle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "private", "berth.db")
	present := map[int]bool{}
	ledger := killAtFailpoint(t, path, store.FailBeforeSync+"=1")
	ledger.replay(t, present)
	for _, want := range []int64{2, 0} {
		settled := failAt(t, store.FailSettle, 0, false)
		require.Equal(t, int(want/2), ledger.settle(t, path, present), "the commit is there")
		require.Equal(t, want, settled.Load())
		ledger = nil
	}
}
