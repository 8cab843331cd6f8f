package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// lockSuffix names the lock file beside the store. It is never removed: a process that waits for a
// removed file's lock would get it while another holds that of the new file.
const lockSuffix = ".lock"

// A lockFile is this package's own lock, held. Its text tells who holds it, and whether a store was
// ever made here: a store that is missing then is damage and not a fresh start.
type lockFile struct {
	file        *os.File
	initialised bool
}

// A holder is what a lock file says.
type holder struct {
	initialised bool
	pid         int
	program     string
}

const (
	lockTitle       = "berth store lock"
	lockMaxText     = 4096
	lockFirstPause  = time.Millisecond
	lockLongestWait = 25 * time.Millisecond
)

func (h holder) text() []byte {
	state := "new"
	if h.initialised {
		state = "initialised"
	}
	text := fmt.Sprintf("%s\nstate %s\n", lockTitle, state)
	if h.pid != 0 {
		text += fmt.Sprintf("pid %d\nprogram %q\n", h.pid, h.program)
	}
	return []byte(text)
}

// parseHolder reads a lock file's text as far as it makes sense: it may be half written.
func parseHolder(text []byte) (h holder) {
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "state":
			h.initialised = value == "initialised"
		case "pid":
			h.pid, _ = strconv.Atoi(value)
		case "program":
			h.program, _ = strconv.Unquote(value)
		}
	}
	return h
}

func readHolder(file *os.File) holder {
	text := make([]byte, lockMaxText)
	n, err := file.ReadAt(text, 0)
	if err != nil && err != io.EOF {
		return holder{}
	}
	return parseHolder(text[:n])
}

// wasInitialised reports whether the lock file says that a store was made here.
func wasInitialised(d *directory, store string) (bool, error) {
	file, err := d.open(store+lockSuffix, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	return readHolder(file).initialised, nil
}

// acquireLock takes the lock of a store, creating its lock file if there is none. It waits up to
// wait for another holder, then returns a *BusyError; it returns ctx.Err() when ctx is done first.
func acquireLock(ctx context.Context, d *directory, store string, wait time.Duration) (*lockFile, error) {
	file, err := openLockFile(d, store+lockSuffix)
	if err != nil {
		return nil, err
	}
	if err := waitForLock(ctx, file, wait); err != nil {
		if errors.Is(err, ErrBusy) {
			h := readHolder(file)
			err = &BusyError{d.file(store), h.pid, h.program}
		}
		return nil, errors.Join(err, file.Close())
	}
	l := &lockFile{file, readHolder(file).initialised}
	if err := l.write(true); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func openLockFile(d *directory, name string) (*os.File, error) {
	for {
		file, err := d.open(name, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
		file, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
		if err == nil {
			if err := restrict(file); err != nil {
				return nil, errors.Join(err, file.Close())
			}
			return file, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// waitForLock asks for the lock again and again, with growing pauses: a wait inside the system
// could not be given up when ctx is done. It returns ErrBusy when the time is over.
func waitForLock(ctx context.Context, file *os.File, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for pause := lockFirstPause; ; pause = min(2*pause, lockLongestWait) {
		held, err := tryLock(file)
		if err != nil {
			return fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if held {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return ErrBusy
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// write says in the file who holds the lock.
func (l *lockFile) write(held bool) error {
	h := holder{initialised: l.initialised}
	if held {
		h.pid, h.program = os.Getpid(), filepath.Base(os.Args[0])
	}
	text := h.text()
	if _, err := l.file.WriteAt(text, 0); err != nil {
		return err
	}
	return l.file.Truncate(int64(len(text)))
}

// markInitialised says, durably, that a store was made here.
func (l *lockFile) markInitialised() error {
	if l.initialised {
		return nil
	}
	if err := failpoint("mark-initialised", l.file.Name()); err != nil {
		return err
	}
	l.initialised = true
	err := l.write(true)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.initialised = false
	}
	return err
}

// release gives the lock back. The file stays.
func (l *lockFile) release() error {
	return errors.Join(l.write(false), unlock(l.file), l.file.Close())
}
