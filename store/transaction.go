package store

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/berthkit/berth/reservation"
)

// A shared store is written in transactions: take the lock, make sure that files and memory are of
// the same commit, write, give the lock back. Between two of them bbolt keeps both files open and
// mapped, but not locked: as long as nobody else has written, what it knows of them stays right, and a
// transaction costs a few system calls more than a commit of an exclusive store.

// keepsDatabases says whether bbolt may keep the files open while others write. Windows lets nobody
// replace a file that is mapped, and bbolt's own lock cannot be given back alone on Android.
const keepsDatabases = runtime.GOOS != "windows" && runtime.GOOS != "android"

// Who was refused as stale has the lock for so long at most, to load and commit again.
const (
	keptBase      = 10 * time.Millisecond
	keptPerRecord = time.Microsecond
)

const lockAttempts = 3 // to open a lock file that somebody removes

// A keptTurn is the lock, held on after a commit that was refused as stale. Among many writers a base
// is stale whenever its turn comes, since the others have written meanwhile. Without this the one who
// came last before, whose base is right, would go first again and again.
type keptTurn struct{ timer *time.Timer }

// enter makes the caller the store's writer.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended.Done():
		return reservation.ErrClosed
	}
	if s.content.Load() == nil {
		s.leave()
		return reservation.ErrClosed
	}
	return nil
}

func (s *Store) leave() { <-s.writer }

// begin begins a transaction. The writer calls it.
func (s *Store) begin(ctx context.Context) error {
	if s.options.Exclusive {
		return nil
	}
	if s.kept != nil {
		s.kept.timer.Stop()
		s.kept = nil
		return nil
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	if err := s.catchUp(); err != nil {
		s.finish()
		return err
	}
	return nil
}

// finish ends a transaction.
func (s *Store) finish() {
	if s.options.Exclusive {
		return
	}
	s.view.expect(nil)
	if !keepsDatabases || s.failed != nil || !s.unlockDatabases() {
		if err := s.closeCopies(); err != nil {
			s.options.Log.Warn("store file not closed", "path", s.path, "error", err)
		}
	}
	s.held = false
	if err := s.lock.release(); err != nil {
		s.options.Log.Error("store lock not given back", "path", s.path, "error", err)
	}
}

// keep ends a transaction later, unless the next commit comes before.
func (s *Store) keep() {
	kept := &keptTurn{}
	s.kept = kept
	records := s.content.Load().header().records
	kept.timer = time.AfterFunc(keptBase+time.Duration(records)*keptPerRecord, func() {
		s.writer <- struct{}{}
		defer s.leave()
		if s.kept == kept {
			s.kept = nil
			s.finish()
		}
	})
}

// take takes the lock. A store that is closed meanwhile gives up.
func (s *Store) take(ctx context.Context) error {
	s.lock.ended = s.ended
	err := s.lock.take(ctx, s.options.Wait)
	for range lockAttempts {
		if !errors.Is(err, errLockGone) {
			break
		}
		s.options.Log.Warn("the lock file was removed; never do that while a program has the store open", "path", s.path)
		lock, openErr := openLock(s.directory, s.names[0], s.options.Exclusive)
		if openErr != nil {
			return openErr
		}
		if err := s.lock.close(); err != nil {
			return errors.Join(err, lock.close())
		}
		s.lock, lock.ended = lock, s.ended
		err = s.lock.take(ctx, s.options.Wait)
	}
	s.held = err == nil
	return err
}

// catchUp makes sure that this store knows what is on disk. It holds the lock.
func (s *Store) catchUp() error {
	if s.failed == nil && s.undisturbed() {
		return s.lock.markInitialised() // its file may be a new one
	}
	if err := s.closeCopies(); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	if s.failed == nil {
		return nil
	}
	_, err := s.rewrite(s.content.Load())
	return err
}

// undisturbed reports whether both files are as this store left them, and locks them for bbolt.
func (s *Store) undisturbed() bool {
	for _, c := range s.copies {
		if c == nil || c.unchanged() != nil {
			return false
		}
		if c.database != nil {
			if locked, err := tryLock(c.file); err != nil || !locked {
				return false
			}
		}
	}
	return true
}

// unlockDatabases gives back bbolt's own locks, so that its tools can be used between transactions.
func (s *Store) unlockDatabases() bool {
	for _, c := range s.copies {
		if c != nil && c.database != nil && unlock(c.file) != nil {
			return false
		}
	}
	return true
}

// undo is for a store whose last commit failed, and whose files could not be put back then. If
// nobody else has committed since, winner is what is on disk of that commit or what was before it: the
// files are put back now. Undone is false where somebody has, and their commit counts.
func (s *Store) undo(winner header) (undone bool, err error) {
	before := s.content.Load()
	if s.options.Exclusive || s.failed == nil || before == nil || winner != before.header() && winner != s.view.ghost {
		return false, nil
	}
	_, err = s.rewrite(before)
	return true, err
}

func (s *Store) openShared(ctx context.Context) error {
	s.view = &view{names: s.names}
	var err error
	s.held, err = s.lock.try()
	if !s.held && (err == nil || errors.Is(err, errLockGone)) {
		err = s.openBusy(ctx)
		if s.content.Load() != nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	err = s.recover()
	s.finish()
	return err
}

// openBusy is for a lock that somebody has: it is waited for, since a file may need repair, unless the
// holder will keep it. If it does not come the store is opened as it is.
func (s *Store) openBusy(ctx context.Context) error {
	holder, err := readHolder(s.directory, s.names[0])
	if err != nil {
		return err
	}
	if holder.pid != 0 && s.openUnlocked(ctx) == nil {
		return nil
	}
	err = s.take(ctx)
	if errors.Is(err, ErrBusy) {
		return s.openUnlocked(ctx)
	}
	return err
}
