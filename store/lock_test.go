package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// openLocks opens the same lock so many times: each is what another process would have.
func openLocks(t *testing.T, n int) []*lockFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "private")
	require.NoError(t, makeDirectory(path))
	locks := make([]*lockFile, n)
	for i := range locks {
		d, err := openDirectory(path, true)
		require.NoError(t, err)
		locks[i], err = openLock(d, "berth.db", false)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, errors.Join(locks[i].close(), d.close())) })
	}
	return locks
}

// requireNobodyWaits requires that no goroutine is left that waits for a lock inside the system.
func requireNobodyWaits(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "(*patientLock).wait(")
	}, 10*time.Second, time.Millisecond, "goroutines are left")
}

// One has the lock at a time, and everybody gets it.
func TestLockExcludes(t *testing.T) {
	const each = 100
	inside, count := 0, 0 // the lock is what guards them
	var mu sync.Mutex     // the race detector does not know locks of the system
	var group sync.WaitGroup
	locks := openLocks(t, 8)
	for _, l := range locks {
		group.Go(func() {
			for range each {
				if err := l.take(t.Context(), time.Minute); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside, count = inside+1, count+1
				if inside != 1 {
					t.Errorf("%d have the lock", inside)
				}
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				inside--
				mu.Unlock()
				if err := l.release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, len(locks)*each, count)
	requireNobodyWaits(t)
}

// A wait can be given up: by its time, by its context, before it begins. What is left behind inside the system
// takes nothing away from the others, serves the next wait, and ends.
func TestLockWaitGivenUp(t *testing.T) {
	locks := openLocks(t, 3)
	holder, other, third := locks[0], locks[1], locks[2]
	require.NoError(t, holder.take(t.Context(), -1))
	for range 3 {
		require.ErrorIs(t, other.take(t.Context(), -1), ErrBusy)
		require.ErrorIs(t, other.take(t.Context(), 2*time.Millisecond), ErrBusy)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reservation.ErrClosed)
		require.ErrorIs(t, other.take(ctx, time.Minute), reservation.ErrClosed)
	}
	taken := make(chan error)
	go func() { taken <- third.take(t.Context(), time.Minute) }()
	require.NoError(t, holder.release())
	require.NoError(t, <-taken, "who gave up lets the next one through")
	go func() { taken <- other.take(t.Context(), time.Minute) }()
	require.NoError(t, third.release())
	require.NoError(t, <-taken, "a wait that was left behind is used again")
	require.NoError(t, other.release())
	requireNobodyWaits(t)
}

// A lock that is closed while something waits for it leaves nothing locked, and its files are closed when
// the system lets go of them.
func TestLockClosedWhileWaiting(t *testing.T) {
	locks := openLocks(t, 2)
	holder, other := locks[0], locks[1]
	require.NoError(t, holder.take(t.Context(), -1))
	require.ErrorIs(t, other.take(t.Context(), 2*time.Millisecond), ErrBusy)
	require.NoError(t, other.close())
	require.NoError(t, other.close())
	require.ErrorIs(t, other.take(t.Context(), time.Minute), os.ErrClosed)
	require.NoError(t, holder.release())
	requireNobodyWaits(t)
	require.NoError(t, holder.take(t.Context(), -1))
	require.NoError(t, holder.release())
	require.ErrorIs(t, other.main.file.Close(), os.ErrClosed)
	require.ErrorIs(t, other.queue.file.Close(), os.ErrClosed)
}

// Who is next and does not move, because a debugger or a terminal has stopped it, holds nobody up for ever.
func TestLockQueueStopped(t *testing.T) {
	locks := openLocks(t, 2)
	stopped, other := locks[0], locks[1]
	next, err := stopped.queue.try()
	require.NoError(t, err)
	require.True(t, next)
	require.NoError(t, other.take(t.Context(), 10*time.Millisecond))
	require.NoError(t, other.release())
	require.NoError(t, stopped.queue.release())
	requireNobodyWaits(t)
}

// The text of a holder who died is not believed, and the file that somebody removed is noticed.
func TestLockText(t *testing.T) {
	locks := openLocks(t, 2)
	l, other := locks[0], locks[1]
	require.NoError(t, os.WriteFile(l.store+lockSuffix, holder{true, position{5, 1, 17}, 1, "dead"}.text(), 0o600))
	require.NoError(t, l.take(t.Context(), -1))
	require.True(t, l.holder.initialised)
	text, err := os.ReadFile(l.store + lockSuffix)
	require.NoError(t, err)
	require.Equal(t, holder{initialised: true, durable: position{5, 1, 17}}.text(), text)
	var busy *BusyError
	require.ErrorAs(t, other.take(t.Context(), -1), &busy)
	if runtime.GOOS == "linux" {
		require.Equal(t, os.Getpid(), busy.PID, "the system knows who has the lock")
		require.NotEmpty(t, busy.Program)
	}
	require.NoError(t, l.release())

	require.NoError(t, os.Remove(l.store+lockSuffix))
	require.ErrorIs(t, l.take(t.Context(), -1), errLockGone)
	require.ErrorIs(t, other.take(t.Context(), time.Minute), errLockGone)
}
