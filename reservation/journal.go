package reservation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A Journal is what the engine needs of a store: all records at once, a cheap answer to "has it
// changed?", and an atomic durable commit. A journal may be shared by several hosts, in one process
// or in many. Implementations are safe for concurrent use; storetest.Test checks one.
type Journal interface {
	// Load returns everything, and the revision that it was read at. The image is the caller's.
	Load(ctx context.Context) (*Image, error)

	// Revision returns the journal's present revision. It is cheap: the engine asks before it
	// answers a reader. It allocates nothing.
	Revision(ctx context.Context) (Revision, error)

	// Commit applies edits in order, all or none, durably, if the journal is still at base, and
	// returns the new revision. It returns ErrStale, wrapped, if somebody else has committed since
	// base; the caller loads, checks again and commits again at once: with no edits, if none of its own
	// are left, for a journal may keep the turn for it meanwhile. No edits are no commit: the revision
	// stays. It returns ErrInvalid if the result could
	// not be loaded (overlapping records, deletion of a record that is not there, and so on). After
	// any error nothing has changed: a later Load shows the state before.
	Commit(ctx context.Context, base Revision, edits []Edit) (Revision, error)

	// Close releases what the journal holds. Later calls return ErrClosed, except Close, which
	// returns nil again.
	Close() error
}

// A WatchedJournal is a [Journal] that tells of commits by itself. [Host.Watch] uses it where the
// journal has it, and asks for the revision once a second where not.
type WatchedJournal interface {
	Journal

	// Watch yields the present revision and then, soon after whoever commits, the newer one; several
	// commits may be told as one. It ends when ctx is done or the journal is closed, and holds no lock
	// while it yields. An error is yielded beside the zero revision; what comes behind it is the
	// caller's to wait for or not.
	Watch(ctx context.Context) iter.Seq2[Revision, error]
}

// ErrStale is what [Journal.Commit] returns when the journal is no longer at the base revision.
var ErrStale = errors.New("the journal has changed since it was read")

// A Revision names one state of one journal. Revisions are only ever compared for equality. The
// zero Revision names no state.
type Revision struct {
	Lineage uint64 // drawn at random whenever a journal is created, restored or rebuilt, so that counting anew repeats no revision
	Number  uint64 // commits of the lineage so far
}

// An Image is the whole content of a journal.
type Image struct {
	Revision Revision
	Boot     Boot               // the present boot, zero if none has begun yet
	Earlier  []Boot             // boots before, latest first, at most MaxEarlierBoots: they tell stale tokens from unknown ones
	Dynamic  map[Protocol]Range // the dynamic ranges that were set; a missing one has its default
	Records  []Record           // by protocol, then by first port; disjoint within a protocol
}

// MaxEarlierBoots is how many boots before the present one a journal remembers.
const MaxEarlierBoots = 3

// A Boot is the time between two starts of a computer.
type Boot struct {
	ID     string   // the system's own identity of the boot, up to 255 bytes
	Secret [32]byte // random, drawn when the boot began; tokens derive from it, so it is never logged
}

// Validate reports whether b may begin: its ID has 1 to 255 bytes. The error wraps ErrInvalid.
func (b Boot) Validate() error {
	if len(b.ID) < 1 || len(b.ID) > MaxBootID {
		return fmt.Errorf("%w: the boot identity %q has %d bytes, want 1 to %d", ErrInvalid, b.ID, len(b.ID), MaxBootID)
	}
	return nil
}

// MaxBootID is the longest boot identity, in bytes.
const MaxBootID = 255

// A Record is what a journal keeps of a persistent reservation or of an exclusion. Tokens and
// process numbers are not kept: they would outlive what they name.
type Record struct {
	Protocol Protocol
	Range    Range
	Kind     Kind           // Persistent or Exclusion
	Store    ExclusionStore // of an exclusion; PersistentStore otherwise
	Serial   uint64         // random, so that the next reservation of the same range has another token
	Label    string         // valid by ValidateLabel
	Created  time.Time      // UTC, to the nanosecond
}

// Validate reports whether a journal may keep r. The error wraps ErrInvalid.
func (r Record) Validate() error {
	switch {
	case !r.Protocol.IsValid():
		return fmt.Errorf("%w: a record of %s", ErrInvalid, r.Protocol)
	case !r.Range.IsValid():
		return fmt.Errorf("%w: a record without ports", ErrInvalid)
	case r.Kind != Persistent && r.Kind != Exclusion:
		return fmt.Errorf("%w: a record of kind %s", ErrInvalid, r.Kind)
	case r.Store > ActiveStore, r.Kind == Persistent && r.Store != PersistentStore:
		return fmt.Errorf("%w: a %s record in the %s store", ErrInvalid, r.Kind, r.Store)
	}
	return ValidateLabel(r.Label)
}

// An Edit is one change of a journal.
type Edit struct {
	Op     EditOp
	Record Record // EditPut: the record. EditDelete and EditDynamic: its Protocol and Range
	Boot   Boot   // EditBoot: the boot that begins
}

// An EditOp says what an [Edit] does.
type EditOp uint8

const (
	// EditPut adds a record. It must not overlap one that is there.
	EditPut EditOp = iota + 1
	// EditDelete removes the record of exactly that protocol and range.
	EditDelete
	// EditBoot makes Boot the present one; the former present boot becomes the latest earlier one.
	EditBoot
	// EditDynamic sets the dynamic range of a protocol.
	EditDynamic
)
