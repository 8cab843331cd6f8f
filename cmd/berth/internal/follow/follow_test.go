package follow

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/reservation"
)

// A computer is what a follower sees. The test changes it while the follower sleeps.
type computer struct {
	mu      sync.Mutex
	blocks  []reservation.Block
	ports   map[reservation.Protocol][]uint16
	err     error
	changes chan struct{}
}

func (c *computer) list(context.Context) ([]reservation.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks, c.err
}

func (c *computer) InUse(_ context.Context, protocol reservation.Protocol, _ reservation.Range) ([]uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ports[protocol], nil
}

func (c *computer) Holders(context.Context, reservation.Protocol, reservation.Range) ([]reservation.Holder, error) {
	return nil, nil
}

func (c *computer) Watch(ctx context.Context) iter.Seq2[reservation.Change, error] {
	return func(yield func(reservation.Change, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.changes:
				if !yield(reservation.Change{Kind: reservation.BlockAdded}, nil) {
					return
				}
			}
		}
	}
}

func block(protocol reservation.Protocol, ports string) reservation.Block {
	return reservation.Block{Protocol: protocol, Range: pool.MustParseRange(ports)}
}

func TestFollowerWritesWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		c := &computer{
			blocks: []reservation.Block{block(reservation.UDP, "100-109")},
			ports:  map[reservation.Protocol][]uint16{reservation.UDP: {53, 105}, reservation.TCP: {80, 105}},
		}
		f := &Follower{List: c.list, Ports: c, Every: time.Second, Out: trace.NewWriter(&text)}
		ctx, stop := context.WithCancel(t.Context())
		require.NoError(t, f.Begin(ctx))
		done := make(chan struct{})
		var counts Counts
		go func() {
			defer close(done)
			var err error
			counts, err = f.Run(ctx)
			require.NoError(t, err)
		}()
		step := func(change func()) {
			c.mu.Lock()
			change()
			c.mu.Unlock()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		time.Sleep(time.Second / 2) // between the looks
		step(func() {})
		step(func() { c.blocks = append(c.blocks, block(reservation.TCP, "80-89")) })
		step(func() {
			c.ports = map[reservation.Protocol][]uint16{reservation.UDP: {53, 54, 105}, reservation.TCP: {80, 105}}
		})
		step(func() { c.blocks = c.blocks[1:] })
		step(func() { c.blocks, c.ports = nil, nil })
		stop()
		<-done
		require.Equal(t, `berth trace 1
# what was there at the beginning
insert tcp 80
insert tcp 105
insert udp 53
insert udp 100-109
# after 2.000 s
delete tcp 80
overlaps tcp 80-89
insert tcp 80-89
# after 3.000 s
overlaps udp 54
insert udp 54
# after 4.000 s
delete udp 100-109
overlaps udp 105
insert udp 105
# after 5.000 s
delete tcp 80-89
delete tcp 105
delete udp 53
delete udp 54
delete udp 105
`, text.String())
		require.Equal(t, Counts{Looks: 7, Present: 4, Inserted: 3, Deleted: 7}, counts)
		require.Equal(t, 17, counts.Operations())
		requireReads(t, text.String(), counts.Operations())
	})
}

func requireReads(t *testing.T, text string, operations int) {
	t.Helper()
	reader := trace.NewReader(strings.NewReader(text))
	for range operations {
		_, err := reader.Read()
		require.NoError(t, err)
	}
}

func TestFollowerLooksAtOnceWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		c := &computer{changes: make(chan struct{})}
		f := &Follower{List: c.list, Watch: c, Every: time.Hour, Out: trace.NewWriter(&text)}
		ctx, stop := context.WithCancel(t.Context())
		require.NoError(t, f.Begin(ctx))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := f.Run(ctx)
			require.NoError(t, err)
		}()
		c.mu.Lock()
		c.blocks = []reservation.Block{block(reservation.UDP, "1-9")}
		c.mu.Unlock()
		c.changes <- struct{}{}
		synctest.Wait()
		require.Contains(t, text.String(), "# after 0.000 s\noverlaps udp 1-9\ninsert udp 1-9\n")
		stop()
		<-done
	})
}

func TestFollowerLooksOnceMoreAtTheEnd(t *testing.T) {
	var text bytes.Buffer
	c := &computer{}
	f := &Follower{List: c.list, Every: time.Hour, Out: trace.NewWriter(&text)}
	require.NoError(t, f.Begin(t.Context()))
	c.blocks = []reservation.Block{block(reservation.UDP, "1-9")}
	ended, end := context.WithCancel(t.Context())
	end()
	counts, err := f.Run(ended)
	require.NoError(t, err)
	require.Equal(t, 1, counts.Inserted)
}

func TestFollowerEndsWithItsErrors(t *testing.T) {
	broken := errors.New("the store is gone")
	c := &computer{err: broken}
	f := &Follower{List: c.list, Every: time.Millisecond, Out: trace.NewWriter(new(bytes.Buffer))}
	require.ErrorIs(t, f.Begin(t.Context()), broken)
	c.err = nil
	require.NoError(t, f.Begin(t.Context()))
	c.err = broken
	_, err := f.Run(t.Context())
	require.ErrorIs(t, err, broken)
}
