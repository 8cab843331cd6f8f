package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A store that was opened read-only takes no lock and reads the files beside whoever writes them.
// bbolt never changes a page that the newest meta page leads to, so a file whose meta pages are the
// same before and after it was read was read whole; and one that verifies was read whole anyway.

// A watch is what a read-only store keeps to see cheaply whether the files have changed.
type watch struct {
	names [2]string

	mu    sync.Mutex
	copy  *copyFile      // the file that was read last
	metas metaBytes      // its meta pages before it was read
	probe metaBytes      // its meta pages now
	told  [2]string      // the damage that the log was told of
	stamp directoryStamp // of the directory before the file was opened
}

const (
	readAttempts    = 100 // of a file that changes while it is read
	damagedAttempts = 3   // of files that seem damaged, before they are called so
)

func (s *Store) openReadOnly(ctx context.Context, names [2]string) error {
	s.watch = &watch{names: names}
	now, err := s.reread(ctx)
	if err == nil {
		s.content.Store(now)
	}
	return err
}

// refresh returns the content of the files, which are read only if they have changed.
func (s *Store) refresh(ctx context.Context) (*content, error) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	now := s.content.Load()
	if now == nil {
		return nil, s.closedError()
	}
	if s.watch.unchanged(s.directory) {
		return now, nil
	}
	next, err := s.reread(ctx)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	if !s.content.CompareAndSwap(now, next) {
		return nil, s.closedError()
	}
	return next, nil
}

// unchanged reports whether the file that was read is still the store's and still at the same commit.
func (w *watch) unchanged(d *directory) bool {
	if w.copy == nil || w.probe.read(w.copy.file) != nil || w.probe != w.metas {
		return false
	}
	stamp := stampDirectory(d.handle)
	if stamp.settled && stamp == w.stamp {
		return true
	}
	now, err := d.root.Lstat(w.names[0])
	if err != nil || !os.SameFile(now, w.copy.info) {
		return false
	}
	w.stamp = stamp
	return true
}

// reread reads and verifies the files until it gets hold of one commit of them.
func (s *Store) reread(ctx context.Context) (*content, error) {
	damaged := 0
	for range readAttempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		stamp := stampDirectory(s.directory.handle)
		c, metas, r, changed, err := readWatched(s.directory, s.watch.names[0])
		if changed {
			continue
		}
		if err == nil && r.torn == nil {
			s.watch.keep(c, metas, stamp)
			return r.content, nil
		}
		if c != nil {
			_ = c.file.Close()
		}
		now, err := s.rereadBoth(stamp)
		if err == nil {
			return now, nil
		}
		if damaged++; damaged == damagedAttempts || !errors.Is(err, ErrDamaged) {
			return nil, err
		}
	}
	return nil, &BusyError{Path: s.path}
}

// readWatched reads one file, and reports whether it changed meanwhile in a way that matters.
func readWatched(d *directory, name string) (c *copyFile, metas metaBytes, r *reading, changed bool, err error) {
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
func (s *Store) rereadBoth(stamp directoryStamp) (*content, error) {
	findings, err := examine(s.directory, s.watch.names, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer closeFindings(findings)
	initialised, err := wasInitialised(s.directory, s.watch.names[0])
	if err != nil {
		return nil, err
	}
	_, now, err := decide(&findings, s.path, initialised)
	if err != nil {
		return nil, err
	}
	for i, f := range findings {
		if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) && s.watch.told[i] != f.err.Error() {
			s.watch.told[i] = f.err.Error() // once: such a store is read again at every look
			s.options.Log.Warn("store file is damaged", "path", s.directory.file(s.watch.names[i]), "error", f.err)
		}
	}
	// No file is watched: the next call reads again, since the damage may be repaired by then.
	s.watch.keep(nil, metaBytes{}, stamp)
	return now, nil
}

// keep remembers what was read from which file.
func (w *watch) keep(c *copyFile, metas metaBytes, stamp directoryStamp) {
	_ = w.close()
	w.copy, w.metas, w.stamp = c, metas, stamp
}

func (w *watch) close() error {
	if w.copy == nil {
		return nil
	}
	file := w.copy.file
	w.copy = nil
	return file.Close()
}
