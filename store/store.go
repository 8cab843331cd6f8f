// Package store keeps persistent reservations in bbolt files: it is the reservation.Journal that
// survives restarts.
//
// bbolt never overwrites what its last commit needs. Around that it trusts its file: a damaged one
// makes it panic, fault, spin or answer wrongly, a missing one silently becomes an empty one. This
// package therefore reads and verifies every byte before bbolt maps the file, keeps two files with the
// same content of which either repairs the other, never starts empty where a store was, and writes both
// files anew after an error. A crash or a power cut loses nothing that was acknowledged.
//
// Any number of processes, and of Stores in each, work on one store at the same time. Each change is
// a transaction under a lock that those who wait get in turn; whoever reads takes no lock. docs/concurrency.md
// says how. [Options].Exclusive keeps all others from writing.
//
// The nouns: a [Store] is opened with [Open] and made with [Create]; a [Report] is what [Check]
// saw; a [Salvaged] is what [Salvage] could still read of damaged files; a [DamageError] says what
// is damaged, where, and what to do. docs/file-format.md describes the files.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/berthkit/berth/reservation"
)

// DefaultWait is how long a store that another process holds is waited for, unless told otherwise.
const DefaultWait = 2 * time.Second

// Options says how to open or create a store. A nil *Options is the zero Options.
type Options struct {
	// Wait is how long to wait while another process holds the store: at Open, and at each Commit of
	// a shared store. Zero means DefaultWait; negative means not at all.
	Wait time.Duration

	// Exclusive holds the store from Open to Close, so that no other process can write to it; others
	// may look, and are told who holds it. Open fails with a *BusyError if somebody has it already.
	// False means to share it: others may write between any two commits of this store, which is then
	// no longer at its base and returns reservation.ErrStale.
	Exclusive bool

	// ReadOnly opens the store for looking: no lock is taken, so it works beside whoever writes, and
	// nothing on disk is changed. Commit returns reservation.ErrDenied. False means to open it for
	// writing as well.
	ReadOnly bool

	// AllowNetworkFilesystem allows a store on NFS, SMB, FUSE and the like. There a lock may be no
	// lock and a flush no flush, so what this package promises does not hold. False refuses them
	// with ErrUnsafePath.
	AllowNetworkFilesystem bool

	// Log is told of repairs and failures. Nil means that nobody is.
	Log *slog.Logger

	// Rand is where a new store's lineage is drawn from. Nil means crypto/rand.
	Rand io.Reader
}

// A Store is an open store. It is safe for concurrent use.
//
// Lock order: writer, then the lock file, then view.mu.
type Store struct {
	path      string
	names     [2]string // of both files
	options   Options
	directory *directory

	content atomic.Pointer[content] // as of the last commit that this store knows of; nil when closed
	view    *view                   // what a look at the disk is compared with; nil when exclusive
	changes changes                 // wakes those who watch
	ended   context.Context         // done when Close begins
	end     context.CancelFunc

	// writer is held across disk writes by who commits or closes, and guards what follows. It is a
	// channel so that a caller whose context ends can stop waiting for it.
	writer  chan struct{}
	lock    *lockFile    // nil when read-only
	held    bool         // the lock is ours
	copies  [2]*copyFile // by the order of names; nil when read-only, after a failure, and where somebody else has written
	kept    *keptTurn    // the lock is held on, for who was just told to try again
	failed  error        // why the files could not be written anew; nil while all is well
	repairs atomic.Pointer[[]Repair]
}

var _ reservation.Journal = (*Store)(nil)

// A Repair tells what was found wrong with one file and put right: from the other, or, after a power cut
// that left both in the middle of a commit, from the commit before.
type Repair struct {
	Path       string // the file that was written anew
	Reason     string // what was wrong with it
	Quarantine string // where the former file is kept; empty if there was none worth keeping
}

// locate splits the path of a store into its directory and name.
func locate(path string) (directory, name string, err error) {
	if path == "" {
		return "", "", fmt.Errorf("%w: the path of the store is empty", reservation.ErrInvalid)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", "", err
	}
	directory, name = filepath.Split(absolute)
	if name == "" {
		return "", "", unsafePath(path, "is a directory", "name a file in it")
	}
	return filepath.Clean(directory), name, nil
}

func (o *Options) orDefault() Options {
	if o == nil {
		o = &Options{}
	}
	options := *o
	if options.Wait == 0 {
		options.Wait = DefaultWait
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return options
}

// names returns the names of both files.
func names(name string) [2]string { return [2]string{name, name + copySuffix} }

// Path returns the path that the store was opened with, made absolute.
func (s *Store) Path() string { return s.path }

// Repairs tells what this Store put right, at Open or, if it is shared, before a commit: what another
// process left behind when it was killed in the middle of one. It is empty if both files were whole.
func (s *Store) Repairs() []Repair {
	if repairs := s.repairs.Load(); repairs != nil {
		return slices.Clone(*repairs)
	}
	return nil
}

// Load returns everything that the store holds. It reads the disk only if somebody else has written
// to it, and never waits for a commit.
func (s *Store) Load(ctx context.Context) (*reservation.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load %s: %w", s.path, err)
	}
	now, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	return now.image(), nil
}

// Revision returns the revision of the last commit, made by anybody. Unless the store is held
// exclusively it looks at the directory and the meta pages, which takes about a microsecond, and
// reads the store again if they have changed.
func (s *Store) Revision(ctx context.Context) (reservation.Revision, error) {
	if err := ctx.Err(); err != nil {
		return reservation.Revision{}, fmt.Errorf("revision of %s: %w", s.path, err)
	}
	now, err := s.look(ctx)
	if err != nil {
		return reservation.Revision{}, err
	}
	return now.revision, nil
}

func (s *Store) closedError() error {
	return fmt.Errorf("store %s: %w", s.path, reservation.ErrClosed)
}

// publish makes c what readers see. The caller holds the lock, or is about to open the store.
func (s *Store) publish(c *content) {
	if s.view == nil {
		s.content.Store(c)
	} else {
		s.view.mu.Lock()
		s.content.Store(c)
		s.view.pending = nil
		s.view.adopt(s.directory, s.copies[0])
		s.view.mu.Unlock()
	}
	s.changes.announce()
}

// Close gives the store back. It ends the wait of a commit that waits for another process, and waits
// for one that is being written.
func (s *Store) Close() error {
	s.end()
	s.writer <- struct{}{}
	defer func() { <-s.writer }()
	if s.content.Swap(nil) == nil {
		return nil
	}
	s.changes.announce()
	return s.release()
}

// release closes whatever is open.
func (s *Store) release() error {
	s.end()
	if s.kept != nil {
		s.kept.timer.Stop()
		s.kept = nil
	}
	errs := []error{s.closeCopies()}
	if s.view != nil {
		s.view.mu.Lock()
		errs = append(errs, s.view.close())
		s.view.mu.Unlock()
	}
	if s.lock != nil {
		if s.held {
			errs = append(errs, s.lock.release())
		}
		errs = append(errs, s.lock.close())
	}
	if s.directory != nil {
		errs = append(errs, s.directory.close())
	}
	return errors.Join(errs...)
}

// closeCopies closes both files. They are read and verified anew when they are needed.
func (s *Store) closeCopies() error {
	var errs []error
	for i, c := range s.copies {
		if c != nil {
			errs = append(errs, c.close())
			s.copies[i] = nil
		}
	}
	return errors.Join(errs...)
}
