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

	"github.com/berthkit/berth/reservation"
)

// The names of the lock's files beside the store. They are never removed: a process that waits for a
// removed file's lock would get it while another holds that of the new file.
const (
	lockSuffix  = ".lock"  // who has its lock may write
	queueSuffix = ".queue" // who has its lock is the next to write
)

// A lockFile is this package's own lock, of two locks of the system. Who wants to write waits for
// the queue's first, keeps it while waiting for the main one, and gives it back then. So only one
// waits for the main lock at any time, and who has just given it back and wants it again cannot get
// in before those who wait: it finds the queue's lock taken. For the queue's, the system wakes
// in the order of arrival. Only the main lock protects anything: a process that is killed while it
// waits has taken part in nothing.
//
// The text of the main lock's file tells who holds the store for long, whether a store was ever made
// here, since one that is missing then is damage and not a fresh start, and which commit is known to be on disk.
type lockFile struct {
	directory   *directory
	store       string // the path of the store, for messages
	name        pathName
	info        fs.FileInfo // of the main lock's file
	main, queue *patientLock
	exclusive   bool            // the holder says in the text who it is
	ended       context.Context // ends all waits, as of a store that is closed; nil if nothing does
	text        []byte          // the text as it was read or written last
	holder      holder          // what it says
}

// A holder is what a lock file says.
type holder struct {
	initialised bool
	durable     position // of a state that both files have on disk; zero if that is not known
	pid         int
	program     string
}

const (
	lockTitle   = "berth store lock"
	lockMaxText = 512
)

func (h holder) text() []byte {
	state := "new"
	if h.initialised {
		state = "initialised"
	}
	text := append(make([]byte, 0, lockMaxText/2), lockTitle+"\nstate "+state+"\n"...)
	if h.durable != (position{}) { // every commit writes it, so it is not left to package fmt
		text = strconv.AppendUint(append(text, "durable "...), h.durable.number, 10)
		text = strconv.AppendUint(append(text, ' '), h.durable.generation, 10)
		text = append(strconv.AppendUint(append(text, ' '), h.durable.lineage, 16), '\n')
	}
	if h.pid != 0 {
		text = fmt.Appendf(text, "pid %d\nprogram %q\n", h.pid, h.program)
	}
	return text
}

// parseHolder reads a lock file's text as far as it makes sense: it may be half written.
func parseHolder(text []byte) (h holder) {
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "state":
			h.initialised = value == "initialised"
		case "durable":
			h.durable = parsePosition(value)
		case "pid":
			h.pid, _ = strconv.Atoi(value)
		case "program":
			h.program, _ = strconv.Unquote(value)
		}
	}
	return h
}

// parsePosition returns the zero position for what is none.
func parsePosition(text string) (p position) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return position{}
	}
	for i, field := range []*uint64{&p.number, &p.generation, &p.lineage} {
		var err error
		if *field, err = strconv.ParseUint(fields[i], []int{10, 10, 16}[i], 64); err != nil {
			return position{}
		}
	}
	return p
}

// readHolder reads the lock file of a store; no file says nothing.
func readHolder(d *directory, store string) (holder, error) {
	file, err := d.open(store+lockSuffix, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return holder{}, nil
	}
	if err != nil {
		return holder{}, err
	}
	defer file.Close()
	text := make([]byte, lockMaxText)
	n, err := file.ReadAt(text, 0)
	if err != nil && err != io.EOF {
		return holder{}, nil
	}
	return parseHolder(text[:n]), nil
}

// openLock opens the lock of a store without taking it, creating its files if there are none.
func openLock(d *directory, store string, exclusive bool) (*lockFile, error) {
	main, err := openLockFile(d, store+lockSuffix)
	if err != nil {
		return nil, err
	}
	queue, err := openLockFile(d, store+queueSuffix)
	if err != nil {
		return nil, errors.Join(err, main.Close())
	}
	info, err := main.Stat()
	if err != nil {
		return nil, errors.Join(err, main.Close(), queue.Close())
	}
	return &lockFile{directory: d, store: d.file(store), name: newPathName(store + lockSuffix), info: info, main: &patientLock{file: main, lock: &fileLock{main}}, queue: &patientLock{file: queue, lock: newQueueLock(queue)}, exclusive: exclusive}, nil
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

// try takes the lock if nobody has it and nobody waits for it.
func (l *lockFile) try() (taken bool, err error) {
	next, err := l.queue.try()
	if !next {
		return false, l.failed(err)
	}
	taken, err = l.main.try()
	if err := l.failed(errors.Join(err, l.queue.release())); err != nil || !taken {
		return false, err
	}
	return true, l.enter()
}

// take takes the lock when its turn comes. It waits for at most wait, and then returns a *BusyError; it
// returns the cause of ctx when that is done first. A negative wait is none.
func (l *lockFile) take(ctx context.Context, wait time.Duration) error {
	if wait < 0 {
		taken, err := l.try()
		if err == nil && !taken {
			err = l.busy()
		}
		return err
	}
	if taken, err := l.tryIdle(); taken || err != nil {
		return err
	}
	next, err := l.queue.try()
	if err != nil {
		return l.failed(err)
	}
	taken := false
	if next {
		defer func() { _ = l.queue.release() }()
		if taken, err = l.main.try(); err != nil {
			return l.failed(err)
		}
	}
	if !taken {
		if err := l.wait(ctx, wait, next); err != nil {
			return err
		}
	}
	return l.enter()
}

// tryIdle takes the lock if it is free and nobody waits, which a ticket need not be drawn for.
func (l *lockFile) tryIdle() (taken bool, err error) {
	if !l.queue.idle() {
		return false, nil
	}
	if taken, err = l.main.try(); !taken || err != nil {
		return false, l.failed(err)
	}
	return true, l.enter()
}

// wait takes the main lock when its turn comes. Next says that it is the next turn.
func (l *lockFile) wait(ctx context.Context, wait time.Duration, next bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, ErrBusy)
	defer cancel()
	if l.ended != nil {
		var end context.CancelCauseFunc
		ctx, end = context.WithCancelCause(ctx)
		defer end(nil)
		defer context.AfterFunc(l.ended, func() { end(reservation.ErrClosed) })()
	}
	if !next {
		// The one who is next may have been stopped, by a debugger or a terminal. The queue is there for
		// fairness alone, so nobody waits for it for ever.
		patience, cancel := context.WithTimeoutCause(ctx, wait/2, errImpatient)
		defer cancel()
		switch err := l.queue.take(patience); {
		case err == nil:
			defer func() { _ = l.queue.release() }()
		case !errors.Is(err, errImpatient):
			return l.gaveUp(err)
		}
	}
	return l.gaveUp(l.main.take(ctx))
}

func (l *lockFile) gaveUp(err error) error {
	if errors.Is(err, ErrBusy) {
		return l.busy()
	}
	return l.failed(err)
}

var errImpatient = errors.New("the queue does not move")

// failed says which lock an error of the system is about.
func (l *lockFile) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lock of %s: %w", l.store, err)
}

// busy says who holds the store.
func (l *lockFile) busy() error {
	h, _ := readHolder(l.directory, filepath.Base(l.store))
	if h.pid == 0 {
		h.pid, h.program = lockOwner(l.main.file)
	}
	return &BusyError{l.store, h.pid, h.program}
}

// errLockGone is a lock whose file was removed: it keeps nobody away any more.
var errLockGone = errors.New("the lock file was removed")

// enter reads the text of a lock that has just been taken. Whoever is named there has died holding
// it: the text is put right.
func (l *lockFile) enter() error {
	if !l.name.leadsTo(l.directory, l.info) {
		return errors.Join(errLockGone, l.main.release())
	}
	var buffer [lockMaxText]byte
	n, err := l.main.file.ReadAt(buffer[:], 0)
	if err != nil && err != io.EOF {
		return errors.Join(err, l.main.release())
	}
	if string(buffer[:n]) != string(l.text) {
		l.text = append(l.text[:0], buffer[:n]...)
		l.holder = parseHolder(l.text)
	}
	named := l.holder.unnamed()
	if l.exclusive {
		named.pid, named.program = os.Getpid(), filepath.Base(os.Args[0])
	}
	if err := l.write(named); err != nil {
		return errors.Join(err, l.main.release())
	}
	return nil
}

// unnamed returns what h says but for who holds the lock.
func (h holder) unnamed() holder { return holder{initialised: h.initialised, durable: h.durable} }

// write makes the text say h.
func (l *lockFile) write(h holder) error {
	if h == l.holder && len(l.text) > 0 {
		return nil
	}
	text := h.text()
	if _, err := l.main.file.WriteAt(text, 0); err != nil {
		return err
	}
	if len(text) < len(l.text) {
		if err := l.main.file.Truncate(int64(len(text))); err != nil {
			return err
		}
	}
	l.text, l.holder = text, h
	return nil
}

// markInitialised says, durably, that a store was made here.
func (l *lockFile) markInitialised() error {
	if l.holder.initialised {
		return nil
	}
	if err := failpoint("mark-initialised", l.main.file.Name()); err != nil {
		return err
	}
	h := l.holder
	h.initialised = true
	err := l.write(h)
	if err == nil {
		err = l.main.file.Sync()
	}
	if err != nil {
		l.holder.initialised = false
	}
	return err
}

// markDurable says that both files have the state at p, or a later one, on disk. That need not be on disk itself: who does
// not find it takes more care than needed.
func (l *lockFile) markDurable(p position) error {
	if err := failpoint("mark-durable", l.main.file.Name()); err != nil {
		return err
	}
	h := l.holder
	h.durable = p
	return l.write(h)
}

// release gives the lock back; its files stay open.
func (l *lockFile) release() error {
	return errors.Join(l.write(l.holder.unnamed()), l.main.release())
}

// close closes the files of a lock that is not held.
func (l *lockFile) close() error { return errors.Join(l.main.close(), l.queue.close()) }
