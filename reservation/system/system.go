// Package system gives a program the port reservation engine of the computer that it runs on, in one
// call: the store at its usual place, the table of bound sockets, the identity of the boot. On
// Windows it gives the reservations that Windows itself keeps.
//
// # Privileges
//
// Elsewhere than on Windows the engine runs inside the program and trusts it: whoever may write the
// store counts as elevated and may reserve and release; whoever may only read it gets list, lookup and
// runtime reservations, and [reservation.ErrDenied] for the rest. So the store's file permissions are
// the privileges.
package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
	"github.com/berthkit/berth/sockets/inuse"
	"github.com/berthkit/berth/store"
)

// Options says how a [Computer] is opened. A nil *Options is one with zero values.
type Options struct {
	// Store is the path of the store. Empty means BERTH_STORE if that is set, and otherwise
	// DefaultStorePath, or the reservations of Windows itself on Windows.
	Store string

	// ReadOnly leaves the store as it is: nothing is created, a missing store is an empty one, calls
	// that would write return ErrDenied. Changes that others make are seen. Privileges stay those of the user: who may write the store may associate its tokens.
	ReadOnly bool

	// NoCreate makes a missing store an error, store.ErrMissing, where it would be created otherwise.
	NoCreate bool

	// BootID is the identity of the computer's present boot, up to 255 bytes. Empty means what
	// BootID returns. Another one than before begins a new boot, in which all tokens change.
	BootID string

	// Wait is how long a call that writes, and Open, wait while other programs write the store. 0 means
	// the 2 seconds of package store.
	Wait time.Duration

	// Log is told of repairs and other surprises. nil means nobody.
	Log *slog.Logger
}

// A Computer is the reservation engine of this computer, seen by this process: a [reservation.API],
// a [reservation.Inspector] and a [reservation.Watcher]. It is safe for concurrent use.
type Computer struct {
	reservation.API
	reservation.Inspector
	dynamic   dynamicPorts        // nil on Windows' own reservations
	watcher   reservation.Watcher // nil on Windows' own reservations
	store     string
	bootID    string
	elevated  bool
	hasTokens bool
	close     func() error
}

// A store tells of commits, so that a watch need not ask.
var _ reservation.WatchedJournal = (*store.Store)(nil)

var _ reservation.Watcher = (*Computer)(nil)

// Open returns this computer's engine. Any number of programs use one store at the same time, each
// with an engine of its own: what one reserves the others respect at once. Runtime reservations are
// held by real sockets, so that everybody respects them, and end with the program.
//
// Open creates the store, and the directory that it lies in, on first use; any number of programs
// may be the first. Errors wrap those of package store, and [ErrBootUnknown]; nothing stays open then.
func Open(ctx context.Context, options *Options) (*Computer, error) {
	if options == nil {
		options = new(Options)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := options.Store
	if path == "" {
		path = os.Getenv(StoreVariable)
	}
	if path == "" && runtime.GOOS == "windows" {
		return openNative(options)
	}
	if path == "" {
		var err error
		if path, err = DefaultStorePath(); err != nil {
			return nil, err
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	bootID := options.BootID
	if bootID == "" {
		if bootID, err = BootID(); err != nil {
			return nil, fmt.Errorf("%w; Options.BootID can name one", err)
		}
	}
	if err := (reservation.Boot{ID: bootID}).Validate(); err != nil {
		return nil, err
	}
	return openEngine(ctx, path, bootID, options)
}

// StorePath returns the path of the store, empty if Windows itself keeps the reservations.
func (c *Computer) StorePath() string { return c.store }

// BootID returns the identity of the boot that tokens belong to, empty on Windows' own reservations.
func (c *Computer) BootID() string { return c.bootID }

// IsElevated reports whether this process may create, delete and use persistent reservations.
func (c *Computer) IsElevated() bool { return c.elevated }

// HasTokens reports whether the tokens of this boot were known when c was opened. They were not if c
// was opened to read the store and nobody had opened it to write since the computer started.
func (c *Computer) HasTokens() bool { return c.hasTokens }

// Watch implements [reservation.Watcher]. On Windows' own reservations it yields ErrUnsupported.
func (c *Computer) Watch(ctx context.Context) iter.Seq2[reservation.Change, error] {
	if c.watcher != nil {
		return c.watcher.Watch(ctx)
	}
	return func(yield func(reservation.Change, error) bool) {
		yield(reservation.Change{}, &reservation.Error{Op: "watch", Err: reservation.ErrUnsupported})
	}
}

// Close ends this process's endpoints and runtime reservations and closes the store. A second Close
// does nothing.
func (c *Computer) Close() error { return c.close() }

// openEngine runs the engine in this process, on the store at path.
func openEngine(ctx context.Context, path, bootID string, options *Options) (*Computer, error) {
	journal, elevated, err := openJournal(ctx, path, options)
	if err != nil {
		return nil, err
	}
	host, err := reservation.New(ctx, reservation.Config{
		Journal: journal,
		Ports:   inuse.New(),
		Keeper:  newKeeper(),
		BootID:  bootID,
		Log:     options.Log,
	})
	if err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	process := host.Process(caller(elevated))
	return &Computer{
		API:       process,
		Inspector: process,
		dynamic:   process,
		watcher:   process,
		store:     path,
		bootID:    bootID,
		elevated:  elevated,
		hasTokens: host.HasTokens(),
		close:     host.Close,
	}, nil
}

// newKeeper returns what keeps the ports of runtime reservations: sockets that are bound to them. On
// Windows, with a store of our own, they stay known to this process alone: who wants them kept from
// everybody there uses Windows' own reservations, which is what Open does unless a store is named.
func newKeeper() reservation.Keeper {
	if runtime.GOOS == "windows" {
		return nil
	}
	return hold.New()
}

func caller(elevated bool) reservation.Caller {
	c := reservation.Caller{PID: uint32(os.Getpid()), Elevated: elevated}
	if uid := os.Geteuid(); uid > 0 {
		c.UID = uint32(uid)
	}
	if program, err := os.Executable(); err == nil {
		c.Program = filepath.Base(program)
	}
	return c
}

// openJournal opens the store at path and reports whether this user may write it.
func openJournal(ctx context.Context, path string, options *Options) (reservation.Journal, bool, error) {
	settings := &store.Options{ReadOnly: options.ReadOnly, Wait: options.Wait, Log: options.Log}
	if !options.ReadOnly && exists(path) && !isWritable(path) {
		settings.ReadOnly = true
	}
	journal, err := store.Open(ctx, path, settings)
	switch {
	case err == nil:
		return journal, !settings.ReadOnly || isWritable(path), nil
	case !errors.Is(err, store.ErrMissing):
		return nil, false, err
	case options.ReadOnly:
		// Not elevated: what was reserved in memory would be lost without a word.
		return reservation.NewMemoryJournal(), false, nil
	case options.NoCreate:
		return nil, false, err
	}
	if err := create(ctx, path, settings); err != nil {
		return nil, false, err
	}
	journal, err = store.Open(ctx, path, settings)
	if err != nil {
		return nil, false, err
	}
	return journal, true, nil
}

// create makes the store, and is content if another program was faster.
func create(ctx context.Context, path string, settings *store.Options) error {
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("create the store's directory: %w", err)
	}
	err := store.Create(ctx, path, settings)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// isWritable reports whether the system lets this user write the file. Only opening it tells, for
// permission bits say nothing about read-only file systems, access lists and root.
func isWritable(path string) bool {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	return file.Close() == nil
}
