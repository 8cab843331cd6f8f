package store

import (
	"context"
	"os"
	"sync"
)

// A lock is one lock of the operating system on one open file: exclusive, and ended by the system
// with the process that has it, however that ends.
type lock interface {
	try() (bool, error) // takes it if it is free
	wait() error        // takes it when its turn comes
	unlock() error
	idle() bool // nobody has it or waits for it; false if that cannot be told
}

// A fileLock is the system's lock of a whole file.
type fileLock struct{ file *os.File }

func (l *fileLock) try() (bool, error) { return tryLock(l.file) }
func (l *fileLock) wait() error        { return waitLock(l.file) }
func (l *fileLock) unlock() error      { return unlock(l.file) }
func (l *fileLock) idle() bool         { return false }

// A patientLock is a lock whose wait can be given up.
//
// The system queues who waits, so that nobody has to ask again and again, but a wait inside the
// system cannot be given up. It happens in a goroutine of its own: who gives up leaves it behind,
// the next one who wants the lock takes it over, and a lock that comes when nobody wants it any more
// is given back at once.
type patientLock struct {
	file *os.File
	lock lock

	mu      sync.Mutex // guards what follows, and lock but for its wait; not held while the system waits
	waiting bool       // a goroutine waits inside the system
	wanted  chan error // gets the end of that wait; nil once nobody wants the lock
	closed  bool       // the goroutine that waits is the last user of file
}

// try takes the lock if it is free.
func (l *patientLock) try() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting || l.closed {
		return false, nil
	}
	return l.lock.try()
}

// idle reports whether nobody has the lock or waits for it, as far as that can be told.
func (l *patientLock) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.waiting && !l.closed && l.lock.idle()
}

// take takes the lock, which the caller does not have. It gives up when ctx is done, with its cause.
func (l *patientLock) take(ctx context.Context) error {
	taken, err := l.want()
	if taken == nil || err != nil {
		return err
	}
	select {
	case err := <-taken:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted == nil { // it came at the same moment
		return <-taken
	}
	l.wanted = nil
	return context.Cause(ctx)
}

// want takes the lock, if it is free, and returns no channel then. Otherwise the channel tells when
// the lock has come.
func (l *patientLock) want() (chan error, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, os.ErrClosed
	}
	if !l.waiting {
		if taken, err := l.lock.try(); taken || err != nil {
			return nil, err
		}
		l.waiting = true
		go l.wait()
	}
	l.wanted = make(chan error, 1)
	return l.wanted, nil
}

func (l *patientLock) wait() {
	err := l.lock.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	switch {
	case l.wanted != nil:
		l.wanted <- err
		l.wanted = nil
	case err == nil:
		_ = l.lock.unlock()
	}
	if l.closed {
		_ = l.file.Close()
	}
}

func (l *patientLock) release() error { return l.lock.unlock() }

// close gives the lock back, if it is held, and the file. A wait that was left behind keeps the file
// until it ends.
func (l *patientLock) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.closed = true; l.waiting {
		return nil
	}
	return l.file.Close()
}
