// Package store keeps persistent reservations in bbolt files: it is the reservation.Journal that
// survives restarts.
//
// bbolt orders its writes soundly, so a crash or a power cut loses nothing that it acknowledged.
// Around that it trusts its file: a damaged one makes it panic, fault, spin or answer wrongly, a
// missing one silently becomes an empty one. This package therefore reads and verifies every byte
// before bbolt maps the file, keeps two files with the same content of which either repairs the
// other, never starts empty where a store was, and writes both files anew after an error.
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
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthkit/berth/reservation"
)

// DefaultWait is how long Open waits for a store that another process holds, unless told otherwise.
const DefaultWait = 2 * time.Second

// Options says how to open or create a store. A nil *Options is the zero Options.
type Options struct {
	// Wait is how long to wait while another process holds the store. Zero means DefaultWait;
	// negative means not at all.
	Wait time.Duration

	// ReadOnly opens the store for looking: no lock is taken, so it works beside the process that
	// holds the store, and nothing on disk is changed. Commit returns reservation.ErrDenied. False
	// means to hold the store exclusively, for reading and writing.
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
type Store struct {
	path    string
	options Options
	content atomic.Pointer[content] // as of the last commit; nil when closed

	mu        sync.Mutex // serialises commits and Close; held across disk writes, readers do not take it
	directory *directory
	lock      *lockFile    // nil when read-only
	copies    [2]*copyFile // by the order of names; nil when read-only, or after a failure
	watch     *watch       // nil unless read-only
	failed    error        // why the files could not be written anew; nil while all is well
	repairs   []Repair
}

var _ reservation.Journal = (*Store)(nil)

// A Repair tells what Open found wrong with one file and put right from the other.
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

// Repairs tells what Open put right. It is empty if both files were whole.
func (s *Store) Repairs() []Repair { return slices.Clone(s.repairs) }

// Load returns everything that the store holds. It reads the disk only if the store was opened
// read-only; otherwise it never waits, not even for a commit that is running.
func (s *Store) Load(ctx context.Context) (*reservation.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load %s: %w", s.path, err)
	}
	now := s.content.Load()
	if now == nil {
		return nil, s.closedError()
	}
	if s.options.ReadOnly {
		var err error
		if now, err = s.refresh(ctx); err != nil {
			return nil, err
		}
	}
	return now.image(), nil
}

// Revision returns the revision of the last commit. On a store that was opened read-only it looks
// at the directory and the meta pages, which takes a few microseconds, and reads the store again if
// they have changed.
func (s *Store) Revision(ctx context.Context) (reservation.Revision, error) {
	if err := ctx.Err(); err != nil {
		return reservation.Revision{}, fmt.Errorf("revision of %s: %w", s.path, err)
	}
	now := s.content.Load()
	if now == nil {
		return reservation.Revision{}, s.closedError()
	}
	if s.options.ReadOnly {
		var err error
		if now, err = s.refresh(ctx); err != nil {
			return reservation.Revision{}, err
		}
	}
	return now.revision, nil
}

func (s *Store) closedError() error {
	return fmt.Errorf("store %s: %w", s.path, reservation.ErrClosed)
}

// Close gives the store back. It waits for a commit that is running.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.content.Swap(nil) == nil {
		return nil
	}
	return s.release()
}

// release closes whatever is open.
func (s *Store) release() error {
	var errs []error
	for i, c := range s.copies {
		if c != nil {
			errs = append(errs, c.close())
			s.copies[i] = nil
		}
	}
	if s.watch != nil {
		errs = append(errs, s.watch.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	if s.directory != nil {
		errs = append(errs, s.directory.close())
	}
	return errors.Join(errs...)
}
