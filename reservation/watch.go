package reservation

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/berthkit/berth/pool"
)

// lookEvery is how often a watch looks by itself: for journals that do not tell of commits, and for
// what they did not tell.
const lookEvery = time.Second

var (
	_ Watcher = (*Host)(nil)
	_ Watcher = (*Process)(nil)
)

// Watch implements [Watcher].
func (h *Host) Watch(ctx context.Context) iter.Seq2[Change, error] {
	return h.watch(ctx, func() error {
		select {
		case <-h.closing:
			return ErrClosed
		default:
			return nil
		}
	})
}

// Watch implements [Watcher].
func (p *Process) Watch(ctx context.Context) iter.Seq2[Change, error] {
	return p.host.watch(ctx, func() error {
		if p.closed.Load() {
			return ErrClosed
		}
		return nil
	})
}

// watch looks whenever somebody gave notice, and tells how what it sees differs from the last time.
func (h *Host) watch(ctx context.Context, ended func() error) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		notices := make(chan struct{}, 1)
		h.register(notices)
		defer h.unregister(notices)
		stop := h.forward(ctx, notices)
		defer stop()
		clock := time.NewTicker(lookEvery)
		defer clock.Stop()
		var seen *sight
		for ctx.Err() == nil {
			if err := ended(); err != nil {
				yield(Change{}, fail("watch", 0, Range{}, err))
				return
			}
			now, err := h.look(ctx)
			switch {
			case ctx.Err() != nil || ended() != nil:
				continue
			case err != nil:
				if !yield(Change{}, fail("watch", 0, Range{}, err)) {
					return
				}
			default:
				for _, change := range now.since(seen) {
					if !yield(change, nil) {
						return
					}
				}
				seen = now
			}
			select {
			case <-notices:
			case <-clock.C:
			case <-ctx.Done():
			}
		}
	}
}

func (h *Host) register(notices chan<- struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watches[notices] = struct{}{}
}

func (h *Host) unregister(notices chan<- struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watches, notices)
}

// noticeLocked wakes the watches. A notice that a watch has not taken yet stands for this one too.
func (h *Host) noticeLocked() {
	for notices := range h.watches {
		give(notices)
	}
}

func give(notices chan<- struct{}) {
	select {
	case notices <- struct{}{}:
	default:
	}
}

// forward gives notice of what the journal tells, until stop is called, which waits for its end.
func (h *Host) forward(ctx context.Context, notices chan<- struct{}) (stop func()) {
	journal, tells := h.journal.(WatchedJournal)
	if !tells {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, err := range journal.Watch(ctx) {
			if err != nil { // the watch's own look meets it again, and says so
				return
			}
			give(notices)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// A sight is what a watch saw.
type sight struct {
	bootID  string
	dynamic map[Protocol]Range
	blocks  map[Record]Block // by what makes them the same, across reloads and boots
}

func (h *Host) look(ctx context.Context) (*sight, error) {
	view, err := h.view(ctx)
	if err != nil {
		return nil, err
	}
	s := &sight{bootID: view.bootID, dynamic: view.dynamic, blocks: make(map[Record]Block)}
	for _, protocol := range pool.Protocols() {
		for b, shown := range h.shown(view, protocol, pool.AllPorts) {
			s.blocks[b.key()] = shown
		}
	}
	return s, nil
}

// since returns how s differs from an earlier sight: what has gone before what has come, for that may
// stand in the same place.
func (s *sight) since(earlier *sight) []Change {
	if earlier == nil {
		return changes(BlockPresent, s.blocks, nil)
	}
	var found []Change
	if s.bootID != earlier.bootID {
		found = append(found, Change{Kind: BootBegun, BootID: s.bootID})
	}
	for _, protocol := range pool.Protocols() {
		if r := s.dynamic[protocol]; r != earlier.dynamic[protocol] {
			found = append(found, Change{Kind: DynamicSet, Protocol: protocol, Range: r})
		}
	}
	found = append(found, changes(BlockRemoved, earlier.blocks, s.blocks)...)
	return append(found, changes(BlockAdded, s.blocks, earlier.blocks)...)
}

// changes returns a change for each block that is in some and not in others, by protocol and port.
func changes(kind ChangeKind, some, others map[Record]Block) []Change {
	var found []Change
	for _, key := range slices.SortedFunc(maps.Keys(some), compareKeys) {
		if _, both := others[key]; !both {
			found = append(found, Change{Kind: kind, Protocol: key.Protocol, Range: key.Range, Block: some[key]})
		}
	}
	return found
}

func compareKeys(a, b Record) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Range.First(), b.Range.First()))
}
