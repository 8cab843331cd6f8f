package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/berthkit/berth/reservation"
)

// Commit applies the edits, all or none, to both files, and returns once both are on disk. It
// refuses with reservation.ErrStale what was not made for the present revision, and with
// reservation.ErrInvalid what could not be loaded again; nothing is written then. No edits are no
// commit: the revision stays, and a turn that was kept ends.
//
// On a shared store it waits for its turn, up to Options.Wait, and then returns a *BusyError. Who was
// refused as stale keeps the turn for a moment: a caller that loads and commits again at once is not
// overtaken by the others a second time.
//
// After any other error the files are not trusted any more, since a flush that failed may have
// happened: the state of the last commit is written from memory to new files, which replace both,
// so what failed is surely absent. The store goes on with them; a shared one is at a new revision
// then. If that fails too the error wraps ErrFailed: the store can be read, and every later Commit
// first tries again to write new files. Until then another process that shares the store may find
// what failed in a file, and take it for committed.
func (s *Store) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	revision, err := s.commit(ctx, base, edits)
	if err != nil {
		return reservation.Revision{}, fmt.Errorf("commit to store %s: %w", s.path, err)
	}
	return revision, nil
}

func (s *Store) commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (none reservation.Revision, err error) {
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if s.options.ReadOnly {
		if s.content.Load() == nil {
			return none, reservation.ErrClosed
		}
		return none, fmt.Errorf("%w: the store was opened read-only", reservation.ErrDenied)
	}
	if err := s.enter(ctx); err != nil {
		return none, err
	}
	defer s.leave()
	again := s.kept != nil
	if len(edits) == 0 && !again {
		now, err := s.look(ctx)
		if err == nil && now.revision != base {
			err = reservation.ErrStale
		}
		return base, err
	}
	if err := s.begin(ctx); err != nil {
		return none, err
	}
	revision, err := s.change(base, edits)
	if errors.Is(err, reservation.ErrStale) && !again && !s.options.Exclusive {
		s.keep()
	} else {
		s.finish()
	}
	return revision, err
}

// change makes the commit. This process alone may write now.
func (s *Store) change(base reservation.Revision, edits []reservation.Edit) (none reservation.Revision, err error) {
	now := s.content.Load()
	switch {
	case base != now.revision:
		return none, reservation.ErrStale
	case len(edits) == 0:
		return base, nil
	}
	next, writes, err := now.apply(edits)
	if err != nil {
		return none, err
	}
	if s.failed != nil {
		if now, err = s.rewrite(now); err != nil {
			return none, err
		}
		if next, writes, err = now.apply(edits); err != nil {
			return none, err
		}
	}
	err = s.write(next, writes)
	if errors.Is(err, bolterrors.ErrMaxSizeReached) && s.failed == nil {
		// The file was full of free pages, maybe; the new one has none.
		if next, writes, err = s.content.Load().apply(edits); err != nil {
			return none, err
		}
		if err = s.write(next, writes); errors.Is(err, bolterrors.ErrMaxSizeReached) {
			err = fmt.Errorf("%w: more than %d bytes: %w", ErrTooLarge, MaxSize, err)
		}
	}
	if err != nil {
		return none, err
	}
	s.markDurable(next)
	s.publish(next)
	return next.revision, nil
}

// write makes next durable. If that fails it puts the files back to what was before.
func (s *Store) write(next *content, writes []write) error {
	s.view.expect(next)
	err := s.writeBoth(next.header(), writes)
	if err == nil {
		err = failpoint("before-memory", s.path)
	}
	if err == nil {
		return nil
	}
	s.options.Log.Error("commit failed, writing new files", "path", s.path, "error", err)
	failed := *s.content.Load()
	failed.attempted = next.revision.Number
	s.content.Store(&failed)
	s.view.distrust(next)
	if _, rewriteErr := s.rewrite(&failed); rewriteErr != nil {
		return fmt.Errorf("%w; the commit failed with: %w", rewriteErr, err)
	}
	return fmt.Errorf("%w (nothing was changed: both files were written anew without it)", err)
}

// writeBoth writes to both files and flushes them side by side, each once. It returns when both are done.
//
// bbolt alone would flush twice, so that a meta page is never on disk without the pages that it leads to. Here
// a power cut may leave that in both files. But bbolt overwrites no page of the commit before, so each of
// them still holds that one whole, provided that it was on disk before: recover sees to this where somebody else
// wrote it. Whoever opens the store tells by the digest, and goes back to it if the two files agree (see choose).
func (s *Store) writeBoth(h header, writes []write) error {
	for _, c := range s.copies {
		if err := c.unchanged(); err != nil {
			return err
		}
	}
	for _, c := range s.copies {
		if err := c.write(h, writes); err != nil {
			return err
		}
	}
	second := make(chan error, 1)
	go func() { second <- s.copies[1].flush() }()
	first := s.copies[0].flush()
	return errors.Join(first, <-second)
}

// markDurable notes that both files have c on disk. A commit does not fail with the note.
func (s *Store) markDurable(c *content) {
	if err := s.lock.markDurable(c.header().position()); err != nil {
		s.options.Log.Warn("store lock not written", "path", s.path, "error", err)
	}
}

// rewrite replaces both files by new ones that hold exactly c, under the next generation, which
// outranks whatever the former ones hold. Until it succeeds the store has failed.
//
// A shared store takes a new revision as well: another process may have seen a failed commit in one
// of the files, and would take its number, used again, for the same.
func (s *Store) rewrite(c *content) (*content, error) {
	next := *c
	next.generation++
	if !s.options.Exclusive {
		next.revision.Number = max(c.revision.Number, c.attempted) + 1
	}
	for _, c := range s.copies {
		if c != nil && c.file != nil {
			c.abandon()
		}
	}
	s.view.expect(&next)
	s.failed = s.replaceBoth(&next)
	if s.failed != nil {
		s.options.Log.Error("store failed", "path", s.path, "error", s.failed)
		return nil, fmt.Errorf("%w: it can be read, but not written: %w", ErrFailed, s.failed)
	}
	s.markDurable(&next)
	s.publish(&next)
	return &next, nil
}

func (s *Store) replaceBoth(c *content) error {
	for _, i := range []int{1, 0} {
		if err := s.replaceOne(i, s.names[i], c); err != nil {
			return err
		}
	}
	return nil
}

// replaceOne writes file i anew. A file of that name that is not ours is kept aside.
func (s *Store) replaceOne(i int, name string, c *content) error {
	temporary, err := writeNew(s.directory, name, c)
	if err != nil {
		return err
	}
	there, err := s.directory.root.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && (s.copies[i] == nil || !os.SameFile(there, s.copies[i].info)) {
		aside, err := s.directory.quarantine(name, time.Now())
		if err != nil {
			return err
		}
		s.options.Log.Warn("another file was where the store's was", "path", s.directory.file(name), "quarantine", s.directory.file(aside))
	}
	if err := s.directory.replace(temporary, name); err != nil {
		return err
	}
	fresh, err := openCopy(s.directory, name, os.O_RDWR)
	if err != nil {
		return err
	}
	s.copies[i] = fresh
	if err := fresh.remember(); err != nil {
		return err
	}
	return fresh.unchanged() // the directory itself may have been moved away
}
