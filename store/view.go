package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Who reads takes no lock and reads the files beside whoever writes them. bbolt never changes a page
// that the newest meta page leads to, so a file whose meta pages are the same before and after it was
// read was read whole; and one that verifies was read whole anyway.

// A view is what a store keeps to see cheaply whether the files have changed.
type view struct {
	names [2]string

	mu      sync.Mutex // guards what follows, and the store's content; held while the files are read
	copy    *copyFile  // the file that was read last; nil if the next look has to read
	metas   metaBytes  // its meta pages when it was read
	reading *reading   // what it was found to hold then; nil if this store has written since
	probe   metaBytes  // its meta pages now
	place   place      // where the file is looked for
	told    [2]string  // the damage that the log was told of

	pending *content // what this store is writing now, while nobody else can; nil otherwise
	ghost   header   // of a commit of ours that failed and may be in a file nevertheless
}

const (
	readAttempts    = 100 // of a file that changes while it is read
	damagedAttempts = 3   // of files that seem damaged, before they are called so
)

func (s *Store) openReadOnly(ctx context.Context) error {
	s.view = &view{names: s.names}
	return s.openUnlocked(ctx)
}

// openUnlocked reads the store as it is.
func (s *Store) openUnlocked(ctx context.Context) error {
	now, err := s.reread(ctx)
	if err == nil {
		s.content.Store(now)
	}
	return err
}

// look returns the present content of the store. It reads the files only if they have changed.
func (s *Store) look(ctx context.Context) (*content, error) {
	now := s.content.Load()
	if now == nil {
		return nil, s.closedError()
	}
	if s.view == nil {
		return now, nil
	}
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	if now = s.content.Load(); now == nil {
		return nil, s.closedError()
	}
	if s.view.unchanged(s.directory) {
		return now, nil
	}
	if s.view.pending != nil {
		return s.view.pending, nil
	}
	next, err := s.reread(ctx)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	if next.header() == s.view.ghost {
		return now, nil // the caller of that commit was told that it failed
	}
	if !s.content.CompareAndSwap(now, next) {
		return nil, s.closedError()
	}
	s.changes.announce()
	return next, nil
}

// unchanged reports whether the file that was read is still the store's and still at the same commit.
func (w *view) unchanged(d *directory) bool {
	if w.copy == nil || w.probe.read(w.copy.file) != nil || w.probe != w.metas {
		return false
	}
	return w.place.leadsTo(d, w.copy)
}

// reread reads and verifies the files until it gets hold of one commit of them.
func (s *Store) reread(ctx context.Context) (*content, error) {
	damaged := 0
	for range readAttempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, metas, r, changed, err := readViewed(s.directory, s.view.names[0])
		if changed {
			continue
		}
		if err == nil && r.torn == nil {
			s.view.keep(c, metas, r)
			return r.content, nil
		}
		if c != nil {
			_ = c.file.Close()
		}
		now, err := s.rereadBoth()
		if err == nil {
			return now, nil
		}
		if damaged++; damaged == damagedAttempts || !errors.Is(err, ErrDamaged) {
			return nil, err
		}
	}
	return nil, &BusyError{Path: s.path}
}

// readViewed reads one file, and reports whether it changed meanwhile in a way that matters.
func readViewed(d *directory, name string) (c *copyFile, metas metaBytes, r *reading, changed bool, err error) {
	if c, err = openCopy(d, name, os.O_RDONLY); err != nil {
		return nil, metas, nil, false, err
	}
	if err := metas.read(c.file); err != nil {
		return c, metas, nil, false, err
	}
	r, err = c.read(true)
	if err == nil && r.torn == nil {
		return c, metas, r, false, nil
	}
	var after metaBytes
	if after.read(c.file) == nil && after != metas {
		return nil, metas, nil, true, c.file.Close()
	}
	return c, metas, r, false, err
}

// rereadBoth is for a first file that is missing or cannot be trusted alone: both are asked, as
// the writer would at its next open.
func (s *Store) rereadBoth() (*content, error) {
	findings, err := examine(s.directory, s.view.names, os.O_RDONLY, nil)
	if err != nil {
		return nil, err
	}
	defer closeFindings(findings)
	holder, err := readHolder(s.directory, s.view.names[0])
	if err != nil {
		return nil, err
	}
	_, now, err := decide(&findings, s.path, holder)
	if err != nil {
		return nil, err
	}
	for i, f := range findings {
		if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) && s.view.told[i] != f.err.Error() {
			s.view.told[i] = f.err.Error() // once: such a store is read again at every look
			s.options.Log.Warn("store file is damaged", "path", s.directory.file(s.view.names[i]), "error", f.err)
		}
	}
	// No file is watched: the next call reads again, since the damage may be repaired by then.
	s.view.keep(nil, metaBytes{}, nil)
	return now, nil
}

// verified returns what now was found to hold when it was looked at last, nil if it has not been or
// has changed since.
func (w *view) verified(now *copyFile) *reading {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.copy == nil || w.reading == nil || now.metas != w.metas || !os.SameFile(now.info, w.copy.info) || !sameStamp(now.info, w.copy.info) {
		return nil
	}
	return w.reading
}

// expect makes c the content of files that have changed, until it is published. The caller holds the lock.
// Others see a commit as soon as it is in a file; who asks this store must not see it later than they.
func (w *view) expect(c *content) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = c
}

// distrust says that c, which may be in a file, was not committed.
func (w *view) distrust(c *content) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ghost = c.header()
}

// keep remembers what was read from which file.
func (w *view) keep(c *copyFile, metas metaBytes, r *reading) {
	_ = w.close()
	w.copy, w.metas, w.reading, w.place = c, metas, r, newPlace(w.names[0])
}

// adopt remembers what this store itself has read or written, while it held the lock.
func (w *view) adopt(d *directory, written *copyFile) {
	switch {
	case written == nil:
		_ = w.close()
	case w.copy != nil && os.SameFile(w.copy.info, written.info):
		w.metas, w.reading = written.metas, nil
	default:
		c, err := openCopy(d, w.names[0], os.O_RDONLY)
		if err == nil && !os.SameFile(c.info, written.info) {
			err = c.file.Close()
			c = nil
		}
		if err != nil || c == nil {
			_ = w.close() // the next look reads
			return
		}
		w.keep(c, written.metas, nil)
	}
}

func (w *view) close() error {
	if w.copy == nil {
		return nil
	}
	file := w.copy.file
	w.copy = nil
	return file.Close()
}
