package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/berthkit/berth/reservation"
)

// Open opens the store at path. It never creates one: see [Create].
//
// Both files of the store are read and verified before bbolt sees them. If one is damaged, behind
// or missing it is put right from the other; the damaged file is kept beside it under a quarantine
// name, the log is told, and [Store.Repairs] says so.
//
// A store that is to be shared opens even while somebody else holds it exclusively, or holds it for
// longer than Options.Wait: it can be read then, repairs wait for the first Commit, and so does the
// *BusyError.
//
// Errors: ErrMissing if there is no store and nothing says that one was there; a *DamageError if
// no file can be trusted (both are left as they are); a *BusyError if it is to be held exclusively
// and another process has it for longer than Options.Wait; ErrUnsafePath if others could tamper with
// the file; ErrVersion if a newer program wrote it; ErrInvalid if it is to be both exclusive and
// read-only; ctx.Err() if ctx is done before the store is open.
func Open(ctx context.Context, path string, options *Options) (*Store, error) {
	directoryPath, name, err := locate(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{path: filepath.Join(directoryPath, name), names: names(name), options: options.orDefault(), writer: make(chan struct{}, 1)}
	s.ended, s.end = context.WithCancel(context.Background())
	if err := s.open(ctx, directoryPath, name); err != nil {
		return nil, fmt.Errorf("open store: %w", errors.Join(err, s.release()))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, directoryPath, name string) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.options.Exclusive && s.options.ReadOnly {
		return fmt.Errorf("%w: Options.Exclusive and Options.ReadOnly", reservation.ErrInvalid)
	}
	s.directory, err = openDirectory(directoryPath, s.options.AllowNetworkFilesystem)
	if errors.Is(err, fs.ErrNotExist) {
		return missing(s.path)
	}
	if err != nil {
		return err
	}
	if s.options.ReadOnly {
		return s.openReadOnly(ctx)
	}
	if err := s.expectSomething(name); err != nil {
		return err
	}
	if s.lock, err = openLock(s.directory, name, s.options.Exclusive); err != nil {
		return err
	}
	if s.options.Exclusive {
		return s.openExclusive(ctx)
	}
	return s.openShared(ctx)
}

func (s *Store) openExclusive(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	return s.recover()
}

func missing(path string) error {
	return fmt.Errorf("%w: %s does not exist; create the store first", ErrMissing, path)
}

// expectSomething returns ErrMissing where neither a file of the store nor its lock file is, before
// a lock file is made.
func (s *Store) expectSomething(name string) error {
	for _, name := range append(s.names[:], name+lockSuffix) {
		if there, err := s.directory.exists(name); there || err != nil {
			return err
		}
	}
	return missing(s.path)
}

// A finding is what one of the two files turned out to be.
type finding struct {
	copy    *copyFile
	reading *reading // nil unless the content can be trusted
	err     error    // why it cannot: *Damage or fs.ErrNotExist
}

// examine opens, reads and verifies both files, at the same time. An error that says nothing about
// the content (a missing right, an unsafe path, a newer version) is returned as such. What was seen of
// the first file, if that has not changed since, is not read again.
func examine(d *directory, names [2]string, flags int, seen *view) (findings [2]finding, err error) {
	second := make(chan finding, 1)
	go func() { second <- examineOne(d, names[1], flags, false, nil) }()
	findings[0] = examineOne(d, names[0], flags, true, seen)
	findings[1] = <-second
	for _, f := range findings {
		var damage *Damage
		if f.err != nil && !errors.As(f.err, &damage) && !errors.Is(f.err, fs.ErrNotExist) {
			closeFindings(findings)
			return findings, f.err
		}
	}
	return findings, nil
}

func examineOne(d *directory, name string, flags int, keep bool, seen *view) (f finding) {
	if f.copy, f.err = openCopy(d, name, flags); f.err != nil {
		return f
	}
	if f.copy.remember() == nil { // a file that is too short is read all the same, to say so
		f.reading = seen.verified(f.copy)
	}
	if f.reading != nil {
		return f
	}
	before := f.copy.metas
	f.reading, f.err = f.copy.read(keep)
	if f.err == nil && f.reading.torn != nil && f.copy.metas != before {
		// Somebody commits: what was read is of several commits and proves nothing.
		f.reading, f.err = nil, &Damage{Path: f.copy.path(), What: "it changed while it was read"}
	}
	return f
}

// load returns the content of a file that was chosen. The second file's was not kept so far: as
// long as both are well nobody needs it.
func (f *finding) load() (*content, error) {
	if f.reading.content != nil {
		return f.reading.content, nil
	}
	r, err := f.copy.read(true)
	if err != nil {
		return nil, err
	}
	if r.header != f.reading.header || r.interrupted != f.reading.interrupted || (r.torn == nil) != (f.reading.torn == nil) {
		if r.torn != nil {
			return nil, r.torn
		}
		return nil, &Damage{Path: f.copy.path(), What: "it changed while it was read"}
	}
	f.reading = r
	return r.content, nil
}

func closeFindings(findings [2]finding) {
	for _, f := range findings {
		if f.copy != nil {
			_ = f.copy.file.Close()
		}
	}
}

// choose returns which file has the content that counts: the one with the latest commit among
// those that can be trusted. Both are asked even where the first is whole, since a damaged meta
// page makes a file fall back, in good order, to the commit before its last.
//
// A torn file counts only beside the other file: alone it cannot tell whether its last commit is lost.
// Where both are torn and both hold the same, one power cut hit both in a commit that nobody was told
// of; unless the lock file says that a later commit was on disk.
func choose(findings [2]finding, path string, lock holder) (int, error) {
	a, b := findings[0].reading, findings[1].reading
	switch {
	case a == nil && b == nil:
		if errors.Is(findings[0].err, fs.ErrNotExist) && errors.Is(findings[1].err, fs.ErrNotExist) && !lock.initialised {
			return 0, missing(path)
		}
	case a == nil && b.torn == nil:
		return 1, nil
	case b == nil && a.torn == nil:
		return 0, nil
	case a == nil || b == nil:
	case a.torn != nil && b.torn != nil:
		if a.crash && b.crash && a.header == b.header && !lock.durable.after(a.header.position()) {
			return 0, nil
		}
	case outranks(a, b):
		return 0, nil
	case outranks(b, a):
		return 1, nil
	}
	return 0, damageOf(findings, path)
}

// outranks reports whether the content of r counts rather than that of other, where one of them is whole at least.
// An interrupted file says what was committed before, not what counts: it is believed only by what the other says.
func outranks(r, other *reading) bool {
	switch {
	case r.interrupted:
		return false
	case other.header.after(r.header):
		return false
	}
	return r.torn == nil || r.header.after(other.header)
}

// decide chooses a file and returns its content. A file that turns out not to have one, although its
// digest holds, counts as damaged.
func decide(findings *[2]finding, path string, lock holder) (int, *content, error) {
	for {
		chosen, err := choose(*findings, path, lock)
		if err != nil {
			return 0, nil, err
		}
		c, err := findings[chosen].load()
		var damage *Damage
		if !errors.As(err, &damage) {
			return chosen, c, err
		}
		findings[chosen].reading, findings[chosen].err = nil, damage
	}
}

// damageOf lists what is wrong with both files.
func damageOf(findings [2]finding, path string) error {
	e := &DamageError{Advice: fmt.Sprintf("nothing was changed; restore a backup with berth store restore, or see what berth store salvage can read of %s", path)}
	for i, f := range findings {
		var damage *Damage
		file := names(path)[i]
		switch {
		case f.reading != nil && f.reading.torn != nil:
			torn := *f.reading.torn
			torn.Path, torn.What = file, torn.What+", so the last commit may be missing"
			e.Damages = append(e.Damages, torn)
		case errors.As(f.err, &damage):
			e.Damages = append(e.Damages, *damage)
		case f.err != nil:
			e.Damages = append(e.Damages, Damage{Path: file, What: "it is missing, and a store was made here"})
		}
	}
	return e
}

// recover reads both files, decides which counts and writes the other anew where it differs. What counts is
// on disk afterwards in both. The caller holds the lock.
func (s *Store) recover() error {
	for _, name := range s.names { // left behind by a crash, never in use while we hold the lock
		if err := s.directory.remove(name + newSuffix); err != nil {
			return err
		}
	}
	findings, err := examine(s.directory, s.names, os.O_RDWR, s.view)
	if err != nil {
		return err
	}
	s.copies = [2]*copyFile{findings[0].copy, findings[1].copy}
	chosen, winner, err := decide(&findings, s.path, s.lock.holder)
	if err != nil {
		return err
	}
	if undone, err := s.undo(winner.header()); undone {
		return err
	}
	s.failed = nil
	for _, i := range []int{1 - chosen, chosen} {
		if err := s.settle(findings, i, winner); err != nil {
			// The content is known, so it can be read; the next commit tries again.
			s.failed = fmt.Errorf("repair %s: %w", s.directory.file(s.names[i]), err)
			s.options.Log.Error("store failed", "path", s.path, "error", s.failed)
			break
		}
	}
	if err := s.lock.markInitialised(); err != nil && s.failed == nil {
		s.failed = err
	}
	if s.failed == nil {
		s.markDurable(winner)
	}
	s.publish(winner)
	return nil
}

// settle makes file i hold winner on disk.
func (s *Store) settle(findings [2]finding, i int, winner *content) error {
	reason, keep := disagreement(findings, i, winner.header(), s.lock.holder.durable)
	switch {
	case reason != "":
		return s.repair(i, s.names[i], winner, reason, keep)
	case s.lock.holder.durable == winner.header().position():
		return nil
	}
	// Who wrote it may have been killed before the flush, and the next commit relies on it: see writeBoth.
	if err := failpoint("settle", s.names[i]); err != nil {
		return err
	}
	return s.copies[i].file.Sync()
}

// disagreement says why file i must be written anew, empty if it need not, and whether the former
// file is worth keeping. It is not where a crash in the middle of a commit explains it, which it
// does not if the winner is known to be on disk in both files.
func disagreement(findings [2]finding, i int, winner header, durable position) (reason string, keep bool) {
	f := findings[i]
	behind := func() bool { // by one commit; one that failed before leaves out a number
		by := winner.revision.Number - f.reading.header.revision.Number
		return f.reading.header.revision.Lineage == winner.revision.Lineage && (by == 1 || by == 2)
	}
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		return "it was missing", false
	case f.err != nil:
		return f.err.Error(), true
	case f.reading.interrupted:
		number := f.reading.header.revision.Number
		crash := f.reading.header == winner || behind() && durable != winner.position()
		return fmt.Sprintf("the commit after %d is not whole: %v", number, f.reading.torn), !crash
	case f.reading.torn != nil:
		other := findings[1-i].reading
		return f.reading.torn.Error(), other == nil || other.torn == nil
	case f.reading.header != winner:
		was := f.reading.header
		crash := behind() || was.revision.Lineage == winner.revision.Lineage && was.generation < winner.generation
		return fmt.Sprintf("it was at commit %d, the other at %d", was.revision.Number, winner.revision.Number), !crash
	case f.reading.pages > compactFrom && f.reading.pages > compactFactor*f.reading.live():
		return fmt.Sprintf("it had %d pages, of which %d were in use", f.reading.pages, f.reading.live()), false
	}
	return "", false
}

// A file that has become much larger than its content is written anew when it is opened.
const (
	compactFrom   = 64 // pages; smaller files are left alone
	compactFactor = 4
)

// repair writes file i anew.
func (s *Store) repair(i int, name string, c *content, reason string, keep bool) error {
	repair := Repair{Path: s.directory.file(name), Reason: reason}
	level := slog.LevelInfo // a crash in the middle of a commit is no damage
	if keep || s.copies[i] == nil {
		level = slog.LevelWarn
	}
	temporary, err := writeNew(s.directory, name, c)
	if err != nil {
		return err
	}
	if s.copies[i] != nil { // Windows renames no open file
		_ = s.copies[i].close()
		s.copies[i] = nil
	}
	if keep {
		aside, err := s.directory.quarantine(name, time.Now())
		if err != nil {
			return err
		}
		repair.Quarantine = s.directory.file(aside)
	}
	if err := s.directory.replace(temporary, name); err != nil {
		return err
	}
	if s.copies[i], err = openCopy(s.directory, name, os.O_RDWR); err != nil {
		return err
	}
	if err := s.copies[i].remember(); err != nil {
		return err
	}
	repairs := append(s.Repairs(), repair)
	s.repairs.Store(&repairs)
	s.options.Log.Log(context.Background(), level, "store file written anew", "path", repair.Path, "reason", reason, "quarantine", repair.Quarantine)
	return nil
}

// Create makes an empty store at path, with the directories above it that are missing. It is
// atomic: after a crash there is a whole store or none. It returns ErrExist, and changes nothing,
// if a store is there, or was there and has gone: that is damage to repair, not a fresh start.
// Otherwise errors are those of [Open].
func Create(ctx context.Context, path string, options *Options) error {
	if err := create(ctx, path, options.orDefault()); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return nil
}

func create(ctx context.Context, path string, options Options) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w: %s", ErrExist, path) // without waiting for who holds it
	}
	lineage, err := newLineage(options.Rand)
	if err != nil {
		return err
	}
	empty := (&content{}).renewed(lineage, 1)
	return withLock(ctx, path, options, true, func(d *directory, lock *lockFile, name string) error {
		return createFiles(d, lock, name, empty)
	})
}

// withLock runs f while holding the lock of the store at path.
func withLock(ctx context.Context, path string, options Options, make bool, f func(*directory, *lockFile, string) error) (err error) {
	directoryPath, name, err := locate(path)
	if err != nil {
		return err
	}
	if make {
		if err := makeDirectory(directoryPath); err != nil {
			return err
		}
	}
	d, err := openDirectory(directoryPath, options.AllowNetworkFilesystem)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	lock, err := openLock(d, name, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.close()) }()
	if err := lock.take(ctx, options.Wait); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	return f(d, lock, name)
}

// createFiles writes both files and gives them their names, without ever replacing one.
func createFiles(d *directory, lock *lockFile, name string, c *content) error {
	both := names(name)
	for _, name := range both {
		if there, err := d.exists(name); err != nil {
			return err
		} else if there {
			return fmt.Errorf("%w: %s", ErrExist, d.file(name))
		}
	}
	if lock.holder.initialised {
		return fmt.Errorf("%w: %s says that a store was made here, but its files have gone; restore a backup with berth store restore, or remove that file to start anew",
			ErrExist, d.file(name+lockSuffix))
	}
	for _, name := range []string{both[1], both[0]} {
		temporary, err := writeNew(d, name, c)
		if err != nil {
			return err
		}
		if err := linkNew(d, temporary, name); err != nil {
			return errors.Join(err, d.remove(temporary))
		}
	}
	return lock.markInitialised()
}

// linkNew gives a file its name, which must be free, and takes the temporary one away.
func linkNew(d *directory, temporary, name string) error {
	if err := failpoint("link", name); err != nil {
		return err
	}
	if err := d.root.Link(temporary, name); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return d.replace(temporary, name) // a file system without hard links, such as FAT; the name was free a moment ago
	} else if err != nil {
		return err
	}
	if err := failpoint("unlink", name); err != nil {
		return err
	}
	if err := d.root.Remove(temporary); err != nil {
		return err
	}
	return d.sync()
}

func newLineage(source io.Reader) (uint64, error) {
	if source == nil {
		source = rand.Reader
	}
	var b [8]byte
	for {
		if _, err := io.ReadFull(source, b[:]); err != nil {
			return 0, fmt.Errorf("draw a lineage: %w", err)
		}
		if lineage := binary.BigEndian.Uint64(b[:]); lineage != 0 {
			return lineage, nil
		}
	}
}
