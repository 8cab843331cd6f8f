package hold_test

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

const leakVariable = "BERTH_HOLD_ROUNDS"

// Rounds of hold, bind, close and release leave no descriptor behind, whatever becomes of them: two of
// the workers are in each other's way.
func TestNoDescriptorIsLeaked(t *testing.T) {
	rounds := 1000
	if text := os.Getenv(leakVariable); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		require.NoError(t, err, leakVariable)
	}
	const workers = 8
	for _, protocol := range protocols {
		region := holdBlock(t, hold.New(), protocol, workers*portsOfHolder)
		first := region.Range().First()
		require.NoError(t, region.Close())
		before := openFiles(t)
		var done, refused atomic.Int64
		var waiting sync.WaitGroup
		for worker := range workers {
			r, err := pool.RangeFrom(first+uint16(min(worker, workers-2)*portsOfHolder), portsOfHolder)
			require.NoError(t, err)
			waiting.Go(func() {
				for done.Add(1) <= int64(rounds/len(protocols)) {
					if err := holdOnce(protocol, r, make(table, portsOfHolder)); err != nil {
						refused.Add(1)
						if !errors.Is(err, reservation.ErrInUse) {
							t.Errorf("%v: %v", r, err)
							return
						}
					}
				}
			})
		}
		waiting.Wait()
		require.Equal(t, before, openFiles(t), "%v: open files after %d rounds, %d of them refused", protocol, rounds/len(protocols), refused.Load())
		t.Logf("%v: %d rounds, %d of them refused", protocol, rounds/len(protocols), refused.Load())
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
