package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/berthkit/berth/reservation"
)

var _ reservation.WatchedJournal = (*Store)(nil)

// watchTick is how often a watched store is looked at even if the system tells of no change: it may
// have lost events, or have none to tell.
const watchTick = time.Second

// Watch yields the present revision at once, and the then present one after each change, whoever made
// it. Changes that come while the loop's body runs are one. The loop ends when ctx is done, the store
// is closed or the body breaks; nothing is left running then. Many may watch one store.
//
// An error is yielded with the zero Revision: ErrClosed, which is the last, or what Revision returns
// while the files cannot be read. Such an error is yielded once, and the loop goes on watching.
func (s *Store) Watch(ctx context.Context) iter.Seq2[reservation.Revision, error] {
	return func(yield func(reservation.Revision, error) bool) {
		events, stop := s.watchDirectory()
		defer stop()
		ticker := time.NewTicker(watchTick)
		defer ticker.Stop()
		var last reservation.Revision
		var told string // the error that was yielded last
		for {
			changed := s.changes.wait() // before the look: a change after it is not missed
			revision, err := s.Revision(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, reservation.ErrClosed):
				yield(revision, err)
				return
			case err != nil && err.Error() != told:
				told = err.Error()
				if !yield(reservation.Revision{}, fmt.Errorf("watch: %w", err)) {
					return
				}
			case err == nil && (revision != last || told != ""):
				last, told = revision, ""
				if !yield(revision, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			case <-events:
			case <-ticker.C:
			}
		}
	}
}

// watchDirectory returns a channel that gets a value after somebody wrote to one of the files. It
// gets none where the system cannot tell, or has told of too many.
func (s *Store) watchDirectory() (events <-chan struct{}, stop func()) {
	if s.view == nil {
		return nil, func() {} // nobody else can write
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(s.path))
	}
	if err != nil {
		s.options.Log.Info("the system does not tell of changes, so they are looked for every second", "path", s.path, "error", err)
		if watcher != nil {
			_ = watcher.Close()
		}
		return nil, func() {}
	}
	written := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case event, open := <-watcher.Events:
				if !open {
					return
				}
				if name := filepath.Base(event.Name); name != s.names[0] && name != s.names[1] {
					continue
				}
			case _, open := <-watcher.Errors: // events were lost, so something has happened
				if !open {
					return
				}
			}
			select {
			case written <- struct{}{}:
			default:
			}
		}
	}()
	return written, func() {
		_ = watcher.Close()
		<-done
	}
}
