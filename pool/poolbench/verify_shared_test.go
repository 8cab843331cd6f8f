package poolbench

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
)

// A locked core may be shared, if its methods keep to that.
type locked struct {
	mu   sync.Mutex
	core Core
}

func (l *locked) Shared() {}

func (l *locked) with(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

func (l *locked) Insert(r pool.Range) { l.with(func() { l.core.Insert(r) }) }
func (l *locked) Delete(r pool.Range) { l.with(func() { l.core.Delete(r) }) }

func (l *locked) Overlaps(r pool.Range) (taken bool) {
	l.with(func() { taken = l.core.Overlaps(r) })
	return taken
}

// A blinking core holds nothing while its first block goes, until somebody asks it.
type blinking struct {
	locked
	first sync.Once
	asked chan struct{} // guarded by mu: closed and nil when somebody asks for what is always there
}

func (b *blinking) Delete(r pool.Range) {
	b.first.Do(func() {
		whole, asked := b.core, make(chan struct{})
		b.with(func() { b.core, b.asked = Bitmap(), asked })
		<-asked
		b.with(func() { b.core = whole })
	})
	b.locked.Delete(r)
}

func (b *blinking) Overlaps(r pool.Range) (taken bool) {
	b.with(func() {
		taken = b.core.Overlaps(r)
		if b.asked != nil && r.Overlaps(alwaysTaken) {
			close(b.asked)
			b.asked = nil
		}
	})
	return taken
}

func TestSharersAreAskedAtOnce(t *testing.T) {
	require.NoError(t, VerifyCore(func() Core { return &locked{core: List()} }, 1000, 1))

	err := VerifyCore(func() Core { return &blinking{locked: locked{core: List()}} }, 0, 1)
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Regexp(t, `^Overlaps\((1000-1099|1-65535)\) beside a writer: got false, want true`, err.Error())
}

// A stuck core waits when several ask it.
type stuck struct {
	locked
	end chan struct{}
}

func (s *stuck) Overlaps(r pool.Range) bool {
	if r == neverTaken {
		<-s.end
	}
	return s.locked.Overlaps(r)
}

func TestStuckSharerIsAFault(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	defer close(end)
	v := &verification{
		new:        func() Core { return &stuck{locked{core: List()}, end} },
		operations: 1000,
		patience:   time.Second,
	}
	fault := v.run()
	require.NotNil(t, fault)
	require.Equal(t, "calls of several goroutines at once: got no answer within 1s (seed 0, call 1)", fault.Error())
}
