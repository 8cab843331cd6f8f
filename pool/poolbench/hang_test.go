package poolbench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
)

// A sleeper is a core that does not wake up from its third deletion until its channel is closed.
type sleeper struct {
	Core
	deletions *int
	end       chan struct{}
}

func (s sleeper) Delete(r pool.Range) {
	if *s.deletions++; *s.deletions == 3 {
		<-s.end
	}
	s.Core.Delete(r)
}

func TestHangIsAFault(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	defer close(end)
	v := &verification{
		new:        func() Core { return sleeper{Core: Bitmap(), deletions: new(int), end: end} },
		operations: 10_000,
		patience:   time.Second,
	}
	fault := v.run()
	require.NotNil(t, fault)
	require.Regexp(t, `^Delete\(.*\): got no answer within 1s; on a new core after \d+ calls and then `, fault.Error())
	require.Len(t, fault.History, lastCalls)
}

// A liarThatSleeps lies, and hangs when it is asked again by a new core.
type liarThatSleeps struct {
	Core
	cores *int
	end   chan struct{}
}

func (l liarThatSleeps) Overlaps(pool.Range) bool {
	if *l.cores > 3 { // the first core, one for its methods, and one more
		<-l.end
	}
	return true
}

func TestHangWhileNarrowingLeavesTheFault(t *testing.T) {
	t.Parallel()
	end, cores := make(chan struct{}), 0
	defer close(end)
	v := &verification{
		new: func() Core {
			cores++
			return liarThatSleeps{Core: Bitmap(), cores: &cores, end: end}
		},
		operations: 10_000,
		patience:   time.Second,
	}
	fault := v.run()
	require.NotNil(t, fault)
	require.Regexp(t, `^Overlaps\(.*\): got true, want false`, fault.Error())
}
