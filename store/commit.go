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
// commit: the revision stays.
//
// After any other error the files are not trusted any more, since a flush that failed may have
// happened: the state of the last commit is written from memory to new files, which replace both,
// so what failed is surely absent. The store goes on with them. If that fails too the error wraps
// ErrFailed: the store can be read, and every later Commit first tries again to write new files.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.content.Load()
	switch {
	case now == nil:
		return none, reservation.ErrClosed
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
		next.generation = now.generation
	}
	if err := s.write(now, next, writes); err != nil {
		return none, err
	}
	s.content.Store(next)
	return next.revision, nil
}

// write makes next durable. If that fails it puts the files back to now.
func (s *Store) write(now, next *content, writes []write) error {
	err := s.writeBoth(next.header(), writes)
	if err == nil {
		err = failpoint("before-memory", s.path)
	}
	if err == nil {
		return nil
	}
	s.options.Log.Error("commit failed, writing new files", "path", s.path, "error", err)
	failed := *now
	failed.attempted = next.revision.Number
	s.content.Store(&failed)
	now, rewriteErr := s.rewrite(&failed)
	if rewriteErr != nil {
		return fmt.Errorf("%w; the commit failed with: %w", rewriteErr, err)
	}
	if !errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return fmt.Errorf("%w (nothing was changed: both files were written anew without it)", err)
	}
	// The file was full of free pages, maybe; the new one has none.
	next.generation = now.generation
	if err := s.writeBoth(next.header(), writes); err != nil {
		if _, rewriteErr := s.rewrite(now); rewriteErr != nil {
			return fmt.Errorf("%w; the commit failed with: %w", rewriteErr, err)
		}
		return fmt.Errorf("%w: more than %d bytes: %w", ErrTooLarge, MaxSize, err)
	}
	return nil
}

// writeBoth writes to both files at the same time, which takes little longer than to one: the
// flushes run side by side. It returns when both are done.
func (s *Store) writeBoth(h header, writes []write) error {
	for _, c := range s.copies {
		if err := c.unchanged(); err != nil {
			return err
		}
	}
	second := make(chan error, 1)
	go func() { second <- s.copies[1].write(h, writes) }()
	first := s.copies[0].write(h, writes)
	return errors.Join(first, <-second)
}

// rewrite replaces both files by new ones that hold exactly c, under the next generation, which
// outranks whatever the former ones hold. Until it succeeds the store has failed.
func (s *Store) rewrite(c *content) (*content, error) {
	next := *c
	next.generation++
	for _, c := range s.copies {
		if c != nil && c.file != nil {
			c.abandon()
		}
	}
	s.failed = s.replaceBoth(&next)
	if s.failed != nil {
		s.options.Log.Error("store failed", "path", s.path, "error", s.failed)
		return nil, fmt.Errorf("%w: it can be read, but not written: %w", ErrFailed, s.failed)
	}
	s.content.Store(&next)
	return &next, nil
}

func (s *Store) replaceBoth(c *content) error {
	_, name, err := locate(s.path)
	if err != nil {
		return err
	}
	for _, i := range []int{1, 0} {
		if err := s.replaceOne(i, names(name)[i], c); err != nil {
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
