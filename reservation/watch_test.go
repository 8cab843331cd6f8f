package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// told is a change in a line, or the error that took its place.
func told(change reservation.Change, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case change.Kind == reservation.BootBegun:
		return fmt.Sprintf("%s %s", change.Kind, change.BootID)
	case change.Kind == reservation.DynamicSet:
		return fmt.Sprintf("%s %s %s", change.Kind, change.Protocol, change.Range)
	}
	return fmt.Sprintf("%s %s %s %s", change.Kind, change.Protocol, change.Range, change.Block.Kind)
}

// A follower watches in a goroutine of its own and notes what it is told.
type follower struct {
	mu    sync.Mutex
	lines []string
	stop  context.CancelFunc
	ended chan struct{}
}

func follow(t *testing.T, watcher reservation.Watcher) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		for change, err := range watcher.Watch(ctx) {
			f.mu.Lock()
			f.lines = append(f.lines, told(change, err))
			f.mu.Unlock()
		}
	}()
	return f
}

// take returns what came since the last take, in a bubble of synctest: when nothing more will come
// without something happening.
func (f *follower) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := f.lines
	f.lines = nil
	return lines
}

func share(t *testing.T, journal *reservation.MemoryJournal, hosts int) []*reservation.Process {
	t.Helper()
	var processes []*reservation.Process
	for range hosts {
		_, p := newHost(t, journal.Reopen())
		processes = append(processes, p)
	}
	return processes
}

func TestWatchTellsWhatAnybodyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, p := t.Context(), share(t, reservation.NewMemoryJournal(), 3)
		_, err := p[0].CreatePersistent(ctx, reservation.UDP, block(0), "")
		require.NoError(t, err)
		f := follow(t, p[0])
		require.Equal(t, []string{"block present udp 10000-10009 persistent"}, f.take())

		for i, other := range p {
			require.NoError(t, other.AddExclusion(ctx, reservation.TCP, block(1+i), reservation.ActiveStore))
			require.Equal(t, []string{fmt.Sprintf("block added tcp %s exclusion", block(1+i))}, f.take())
		}
		require.NoError(t, p[2].DeletePersistent(ctx, reservation.UDP, block(0)))
		require.Equal(t, []string{"block removed udp 10000-10009 persistent"}, f.take())
		require.NoError(t, p[1].SetDynamic(ctx, reservation.UDP, pool.MustParseRange("20000-29999")))
		require.Equal(t, []string{"dynamic range set udp 20000-29999"}, f.take())

		// Of runtime reservations this host's own are told.
		for i := range 2 {
			e := openUDP(t, p[i])
			_, err = e.Acquire(ctx, reservation.Request{First: block(8).First(), Count: 10})
			require.NoError(t, err)
			if i == 0 {
				require.Equal(t, []string{"block added udp 10080-10089 runtime"}, f.take())
			}
			require.NoError(t, e.Close())
		}
		require.Equal(t, []string{"block removed udp 10080-10089 runtime"}, f.take())

		f.stop()
		<-f.ended
		require.Empty(t, f.take(), "a context that ends is no error")
	})
}

func TestWatchTellsOfABootThatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := reservation.NewMemoryJournal()
		_, p := newHost(t, journal)
		_, err := p.CreatePersistent(t.Context(), reservation.UDP, block(0), "")
		require.NoError(t, err)
		require.NoError(t, p.AddExclusion(t.Context(), reservation.UDP, block(1), reservation.ActiveStore))
		f := follow(t, p)
		require.Len(t, f.take(), 2)
		next, err := reservation.New(t.Context(), reservation.Config{Journal: journal.Reopen(), BootID: "boot-2"})
		require.NoError(t, err)
		require.Equal(t, []string{"boot begun boot-2", "block removed udp 10010-10019 exclusion"}, f.take())
		require.NoError(t, next.Close())
		f.stop()
		<-f.ended
	})
}

// A block that was deleted and made again is another one, and what came and went between two looks is
// not told.
func TestWatchCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, p := t.Context(), share(t, reservation.NewMemoryJournal(), 2)
		_, err := p[0].CreatePersistent(ctx, reservation.UDP, block(0), "")
		require.NoError(t, err)
		var lines []string
		for change, err := range p[1].Watch(ctx) {
			lines = append(lines, told(change, err))
			if len(lines) == 3 {
				break
			}
			if len(lines) > 1 {
				continue
			}
			// The loop's body may take its time, and ask and change what it likes.
			for range 10 {
				require.NoError(t, p[1].DeletePersistent(ctx, reservation.UDP, block(0)))
				_, err := p[0].CreatePersistent(ctx, reservation.UDP, block(0), "")
				require.NoError(t, err)
			}
		}
		require.Equal(t, []string{
			"block present udp 10000-10009 persistent",
			"block removed udp 10000-10009 persistent",
			"block added udp 10000-10009 persistent",
		}, lines)
	})
}

func TestWatchEndsWithItsHostOrProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHost(t, reservation.NewMemoryJournal())
		ofProcess, ofHost, ofOther := follow(t, p), follow(t, h), follow(t, h.Process(reservation.Caller{}))
		require.Empty(t, ofProcess.take())
		require.NoError(t, p.Close())
		<-ofProcess.ended
		require.Equal(t, []string{"watch: already closed"}, ofProcess.take())
		require.Empty(t, ofHost.take())
		require.NoError(t, h.Close())
		<-ofHost.ended
		<-ofOther.ended
		require.Equal(t, []string{"watch: already closed"}, ofHost.take())
		require.Equal(t, []string{"watch: already closed"}, ofOther.take())
		for _, err := range h.Watch(t.Context()) {
			require.ErrorIs(t, err, reservation.ErrClosed)
		}
	})
}

// quiet is a journal that has no Watch, and may fail.
type quiet struct {
	reservation.Journal
	mu   sync.Mutex
	fail error
}

func (q *quiet) set(fail error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail = fail
}

func (q *quiet) Revision(ctx context.Context) (reservation.Revision, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return reservation.Revision{}, q.fail
	}
	return q.Journal.Revision(ctx)
}

func TestWatchOfAJournalThatTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := reservation.NewMemoryJournal()
		own := &quiet{Journal: journal.Reopen()}
		_, watcher := newHost(t, own)
		_, other := newHost(t, journal)
		f := follow(t, watcher)
		require.Empty(t, f.take())
		require.NoError(t, other.AddExclusion(t.Context(), reservation.UDP, block(0), reservation.PersistentStore))
		require.Empty(t, f.take())
		time.Sleep(time.Second) // of the bubble's clock
		require.Equal(t, []string{"block added udp 10000-10009 exclusion"}, f.take())

		// An error is told and does not end the watch.
		own.set(errors.New("the disk is on fire"))
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"watch: the disk is on fire", "watch: the disk is on fire"}, f.take())
		require.NoError(t, other.AddExclusion(t.Context(), reservation.UDP, block(1), reservation.PersistentStore))
		own.set(nil)
		time.Sleep(time.Second)
		require.Equal(t, []string{"block added udp 10010-10019 exclusion"}, f.take())
		f.stop()
		<-f.ended
	})
}

// A watch that is left, in whatever way, leaves nothing behind; TestMain counts goroutines.
func TestWatchIsLeft(t *testing.T) {
	h, p := newHost(t, reservation.NewMemoryJournal())
	_, err := p.CreatePersistent(t.Context(), reservation.UDP, block(0), "")
	require.NoError(t, err)
	for range h.Watch(t.Context()) {
		break
	}
	require.PanicsWithValue(t, "in the loop", func() {
		for range p.Watch(t.Context()) {
			panic("in the loop")
		}
	})
	require.Zero(t, h.Watches())
}

// Whoever watches ends up with what is there, whatever happened meanwhile.
func TestWatchersAgreeWithTheList(t *testing.T) {
	ctx := t.Context()
	p := share(t, reservation.NewMemoryJournal(), 4)
	end := pool.MustParseRange("65535")
	var watchers, writers sync.WaitGroup
	for _, watched := range p {
		watchers.Go(func() {
			seen := make(map[reservation.Range]bool)
			for change, err := range watched.Watch(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				switch added := change.Kind != reservation.BlockRemoved; {
				case change.Range == end:
					blocks, err := watched.List(ctx, 0)
					if err != nil || len(blocks) != len(seen)+1 {
						t.Errorf("the watch saw %d blocks, there are %d, %v", len(seen), len(blocks), err)
					}
					return
				case added == seen[change.Range]:
					t.Errorf("%v %v, which was known", change.Kind, change.Range)
				case added:
					seen[change.Range] = true
				default:
					delete(seen, change.Range)
				}
			}
		})
	}
	for n, writer := range p {
		writers.Go(func() {
			for i := range 100 {
				r := block(4*(i%7) + n)
				if i%2 == 0 {
					_, _ = writer.CreatePersistent(ctx, reservation.UDP, r, "")
				} else {
					_ = writer.DeletePersistent(ctx, reservation.UDP, r)
				}
			}
		})
	}
	writers.Wait()
	_, err := p[0].CreatePersistent(ctx, reservation.UDP, end, "")
	require.NoError(t, err)
	watchers.Wait()
}

func TestChangeKindsHaveNames(t *testing.T) {
	require.Equal(t, "change(0)", reservation.ChangeKind(0).String())
	require.Equal(t, "change(6)", (reservation.DynamicSet + 1).String())
}
