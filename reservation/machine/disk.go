package machine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/berthkit/berth/reservation"
)

// A disk is the journal of a machine with what can happen to it.
type disk struct {
	journal reservation.Journal

	mu     sync.Mutex // guards what follows
	once   error      // of the next commit
	always error      // of every commit
	power  powerFault // of the next commit that these do not stop
}

// A powerFault is when the power goes with a commit.
type powerFault uint8

const (
	powerStays powerFault = iota
	powerGoesBefore
	powerGoesAfter // the commit has reached the disk
)

// A session is the disk as one boot of the machine sees it. Closing it leaves the journal open for
// the next boot.
type session struct {
	disk *disk
	over atomic.Bool // the engine has closed it, or power is gone
}

var _ reservation.Journal = (*session)(nil)

// FailNextCommit lets the next commit to the disk fail with err; nothing is written. A nil err takes
// that back.
func (m *Machine) FailNextCommit(err error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.disk.once = err
}

// FailCommits lets every commit to the disk fail with err from now on, as a full disk does; nothing
// is written. A nil err ends that. An err that wraps [reservation.ErrStale] loses that meaning: a disk
// that has always just changed would let the engine try for ever.
func (m *Machine) FailCommits(err error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if errors.Is(err, reservation.ErrStale) {
		err = errors.New(err.Error())
	}
	m.disk.always = err
}

// CutPowerAtCommit cuts the power with the next commit to the disk: just after it has become durable,
// or before. Its caller cannot tell which and gets ErrClosed, as everybody does from then on;
// [Machine.PowerCut] starts the machine again.
func (m *Machine) CutPowerAtCommit(durable bool) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.disk.power = powerGoesBefore
	if durable {
		m.disk.power = powerGoesAfter
	}
}

// nextCommit says what is to happen to a commit that begins now.
func (d *disk) nextCommit() (powerFault, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	failure := d.always
	if d.once != nil {
		failure, d.once = d.once, nil
	}
	if failure != nil {
		return powerStays, fmt.Errorf("write to the disk: %w", failure)
	}
	fault := d.power
	d.power = powerStays
	return fault, nil
}

// Load implements [reservation.Journal].
func (s *session) Load(ctx context.Context) (*reservation.Image, error) {
	if s.over.Load() {
		return nil, reservation.ErrClosed
	}
	return s.disk.journal.Load(ctx)
}

// Revision implements [reservation.Journal].
func (s *session) Revision(ctx context.Context) (reservation.Revision, error) {
	if s.over.Load() {
		return reservation.Revision{}, reservation.ErrClosed
	}
	return s.disk.journal.Revision(ctx)
}

// Commit implements [reservation.Journal].
func (s *session) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	if s.over.Load() {
		return reservation.Revision{}, reservation.ErrClosed
	}
	fault, err := s.disk.nextCommit()
	if err != nil {
		return reservation.Revision{}, err
	}
	if fault == powerGoesBefore {
		s.cutPower()
		return reservation.Revision{}, reservation.ErrClosed
	}
	revision, err := s.disk.journal.Commit(ctx, base, edits)
	if fault == powerGoesAfter {
		s.cutPower()
	}
	if s.over.Load() { // power went while the disk wrote: nobody is left to tell
		return reservation.Revision{}, reservation.ErrClosed
	}
	return revision, err
}

// Close implements [reservation.Journal].
func (s *session) Close() error {
	s.over.Store(true)
	return nil
}

func (s *session) cutPower() { s.over.Store(true) }
