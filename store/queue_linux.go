package store

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// A queueLock is the lock of who is next, which comes strictly in order. Those who wait each hold the
// lock of one byte of the file, their ticket, and wait for the byte of the one before. Nothing is ever
// written: the tickets are the locks, so one who is killed is out of the queue at once. Who stood behind
// that one is next too early then, which is why this lock protects nothing.
//
// The locks belong to the open file, not to the process: F_OFD_SETLK and its kin, since Linux 3.15.
// Source: https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
type queueLock struct {
	file   *os.File
	ticket int64 // 0 if there is none
}

const (
	entranceByte = 0 // locked for a moment by who takes a ticket
	firstTicket  = 1
)

func newQueueLock(file *os.File) lock {
	q := &queueLock{file: file}
	if _, err := q.last(); errors.Is(err, unix.EINVAL) { // the kernel, or who plays it, has no such locks
		return &fileLock{file}
	}
	return q
}

func (q *queueLock) try() (bool, error) {
	if entered, err := q.set(unix.F_OFD_SETLK, unix.F_WRLCK, entranceByte); !entered {
		return false, err
	}
	last, err := q.last()
	if err == nil && last < firstTicket {
		err = q.draw(last)
	}
	return q.ticket != 0, errors.Join(err, q.leave(entranceByte))
}

func (q *queueLock) wait() error {
	if _, err := q.set(unix.F_OFD_SETLKW, unix.F_WRLCK, entranceByte); err != nil {
		return err
	}
	last, err := q.last()
	if err == nil {
		err = q.draw(last)
	}
	if err := errors.Join(err, q.leave(entranceByte)); err != nil || last < firstTicket {
		return err
	}
	if _, err := q.set(unix.F_OFD_SETLKW, unix.F_RDLCK, last); err != nil {
		return errors.Join(err, q.unlock())
	}
	return q.leave(last)
}

func (q *queueLock) unlock() error {
	ticket := q.ticket
	q.ticket = 0
	return q.leave(ticket)
}

// last returns the last ticket that somebody holds, or the entrance if nobody does.
func (q *queueLock) last() (ticket int64, err error) {
	for ticket < math.MaxInt64 {
		held := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: ticket + 1}
		if err := q.control(unix.F_OFD_GETLK, &held); err != nil || held.Type == unix.F_UNLCK {
			return ticket, err
		}
		ticket = held.Start
	}
	return 0, fmt.Errorf("%s: there are no more tickets", q.file.Name())
}

// idle reports whether nobody holds a ticket.
func (q *queueLock) idle() bool {
	last, err := q.last()
	return err == nil && last < firstTicket
}

// draw takes the ticket after last.
func (q *queueLock) draw(last int64) error {
	drawn, err := q.set(unix.F_OFD_SETLK, unix.F_WRLCK, last+1)
	if drawn {
		q.ticket = last + 1
	}
	return err
}

func (q *queueLock) leave(at int64) error {
	_, err := q.set(unix.F_OFD_SETLK, unix.F_UNLCK, at)
	return err
}

// set changes the lock of one byte, and reports whether it is ours then.
func (q *queueLock) set(command int, kind int16, at int64) (bool, error) {
	err := q.control(command, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: at, Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

func (q *queueLock) control(command int, lock *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(q.file.Fd(), command, lock)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
