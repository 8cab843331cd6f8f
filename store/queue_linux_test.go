package store

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who waits gets the lock in the order of arrival, even if the one who has just given it back wants it again
// at once, and even if one of those who wait is gone.
func TestLockInOrder(t *testing.T) {
	locks := openLocks(t, 7)
	if _, ordered := locks[0].queue.lock.(*queueLock); !ordered {
		t.Skip("this kernel has no locks of bytes that belong to open files")
	}
	file, err := os.OpenFile(locks[0].store+queueSuffix, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	probe := &queueLock{file: file}
	require.NoError(t, locks[0].take(t.Context(), -1))
	order := make(chan int, len(locks))
	var group sync.WaitGroup
	for i, l := range locks[1:] {
		group.Go(func() {
			if err := l.take(t.Context(), time.Minute); err != nil {
				t.Error(err)
				return
			}
			order <- i + 1
			if err := l.release(); err != nil {
				t.Error(err)
			}
		})
		require.Eventually(t, func() bool {
			last, err := probe.last()
			return err == nil && last == int64(firstTicket+i)
		}, 10*time.Second, 100*time.Microsecond, "%d gets a ticket", i+1)
	}
	require.NoError(t, locks[0].release())
	require.NoError(t, locks[0].take(t.Context(), time.Minute))
	order <- 0
	require.NoError(t, locks[0].release())
	group.Wait()
	for i := range locks {
		require.Equal(t, (i+1)%len(locks), <-order)
	}
	last, err := probe.last()
	require.NoError(t, err)
	require.Less(t, last, int64(firstTicket), "no ticket is left")
	requireNobodyWaits(t)
}
