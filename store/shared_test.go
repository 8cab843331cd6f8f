package store_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

func putEdit(ports string) []reservation.Edit {
	return []reservation.Edit{{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, ports)}}
}

// A store that somebody holds exclusively opens for the others at once, shows them every commit, and tells
// them who holds it when they want to commit. When it is given back they go on.
func TestSharedBesideExclusive(t *testing.T) {
	path := newStore(t)
	holder := openStore(t, path, &store.Options{Exclusive: true})
	require.NoError(t, putBlock(t, holder, "100-199"))
	s := openStore(t, path, &store.Options{Wait: 5 * time.Millisecond})
	require.NoError(t, putBlock(t, holder, "200-299"))
	require.Equal(t, []string{"100-199", "200-299"}, ports(t, s))
	var busy *store.BusyError
	require.ErrorAs(t, putBlock(t, s, "300-399"), &busy)
	require.Equal(t, path, busy.Path)
	require.Equal(t, os.Getpid(), busy.PID)
	require.Equal(t, filepath.Base(os.Args[0]), busy.Program)
	_, err := store.Open(t.Context(), path, &store.Options{Exclusive: true, Wait: -1})
	require.ErrorIs(t, err, store.ErrBusy)
	require.NoError(t, holder.Close())
	require.NoError(t, putBlock(t, s, "300-399"))

	// And the other way round: a store that is shared, and idle, is nobody's.
	holder = openStore(t, path, &store.Options{Exclusive: true})
	require.Equal(t, []string{"100-199", "200-299", "300-399"}, ports(t, holder))
	require.ErrorIs(t, putBlock(t, s, "400-499"), store.ErrBusy)
}

// A commit that waits for another process ends with its context, and with its store.
func TestWaitingCommitEnds(t *testing.T) {
	path := newStore(t)
	holder := openStore(t, path, &store.Options{Exclusive: true})
	s := openStore(t, path, &store.Options{Wait: time.Hour})
	base, err := s.Revision(t.Context())
	require.NoError(t, err)
	for range 2 { // the second takes over what the first left behind
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err = s.Commit(ctx, base, putEdit("100-199"))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	ended := make(chan error)
	for range 2 { // one waits for the other process, and one for the first
		go func() {
			_, err := s.Commit(context.Background(), base, putEdit("100-199"))
			ended <- err
		}()
	}
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-ended, reservation.ErrClosed)
	require.ErrorIs(t, <-ended, reservation.ErrClosed)
	require.NoError(t, putBlock(t, holder, "200-299"))
	require.Equal(t, []string{"200-299"}, ports(t, holder), "nothing was written")
}

// Who was refused as stale is the next to commit, and holds nobody up if it does not.
func TestKeptTurn(t *testing.T) {
	path := newStore(t)
	a, b := openStore(t, path, nil), openStore(t, path, nil)
	old, err := a.Revision(t.Context())
	require.NoError(t, err)
	stale := func() {
		_, err := a.Commit(t.Context(), old, putEdit("1000-1099"))
		require.ErrorIs(t, err, reservation.ErrStale)
	}
	require.NoError(t, putBlock(t, b, "100-199"))

	stale()
	require.NoError(t, putBlock(t, b, "200-299"), "the turn ends by itself")

	stale()
	now, err := a.Revision(t.Context())
	require.NoError(t, err)
	_, err = a.Commit(t.Context(), now, nil)
	require.NoError(t, err)
	at, err := b.Revision(t.Context())
	require.NoError(t, err)
	impatient := openStore(t, path, &store.Options{Wait: -1})
	_, err = impatient.Commit(t.Context(), at, putEdit("300-399"))
	require.NoError(t, err, "nothing left to commit ends the turn")

	stale()
	stale()
	require.NoError(t, putBlock(t, b, "400-499"), "nobody keeps a turn twice")
	stale()
	require.NoError(t, a.Close())
	require.NoError(t, putBlock(t, impatient, "500-599"), "Close ends the turn")
}

// Between transactions the files are open to bbolt's own tools, which lock them, and which a commit waits for.
func TestToolsOfBbolt(t *testing.T) {
	path := newStore(t)
	s := openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "100-199"))
	tool, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- putBlock(t, s, "200-299") }()
	require.NoError(t, tool.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	}))
	require.NoError(t, tool.Close())
	require.NoError(t, <-done)
	require.Equal(t, []string{"100-199", "200-299"}, ports(t, s))
}

// Somebody removes the lock files of a store that is in use: the programs notice, and agree on new ones.
func TestLockFilesRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows keeps the name of an open file taken")
	}
	path := newStore(t)
	a, b := openStore(t, path, nil), openStore(t, path, nil)
	require.NoError(t, putBlock(t, a, "100-199"))
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, os.Remove(path+".queue"))
	require.NoError(t, putBlock(t, a, "200-299"))
	require.NoError(t, putBlock(t, b, "300-399"))
	require.NoError(t, putBlock(t, a, "400-499"))
	require.Equal(t, []string{"100-199", "200-299", "300-399", "400-499"}, ports(t, b))
	require.ErrorIs(t, store.Create(t.Context(), path, nil), store.ErrExist)
	text, err := os.ReadFile(path + ".lock")
	require.NoError(t, err)
	require.Contains(t, string(text), "state initialised")
}

// An option makes no sense with its opposite.
func TestExclusiveReadOnly(t *testing.T) {
	_, err := store.Open(t.Context(), newStore(t), &store.Options{Exclusive: true, ReadOnly: true})
	require.ErrorIs(t, err, reservation.ErrInvalid)
}

// What one program left half done, or somebody damaged, the next commit of another puts right.
func TestRepairBySharer(t *testing.T) {
	path := newStore(t)
	a, b := openStore(t, path, nil), openStore(t, path, nil)
	require.NoError(t, putBlock(t, a, "100-199"))
	require.Empty(t, b.Repairs())
	require.NoError(t, os.WriteFile(path, []byte("something else"), 0o600))
	require.Equal(t, []string{"100-199"}, ports(t, b), "the second copy is read")
	require.NoError(t, putBlock(t, b, "200-299"))
	require.Len(t, b.Repairs(), 1)
	require.FileExists(t, b.Repairs()[0].Quarantine)
	require.NoError(t, putBlock(t, a, "300-399"))
	require.Equal(t, []string{"100-199", "200-299", "300-399"}, ports(t, b))
	require.Empty(t, a.Repairs())
}
