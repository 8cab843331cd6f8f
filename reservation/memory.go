package reservation

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

// A MemoryJournal is a [Journal] without a disk, for tests and simulators. Its content lives as long
// as any handle on it: a computer that reboots closes its handle and goes on with the next one.
type MemoryJournal struct {
	content *memoryContent
	closing func()
	closed  <-chan struct{} // closed by closing
}

var _ WatchedJournal = (*MemoryJournal)(nil)

type memoryContent struct {
	revision atomic.Pointer[Revision] // of image, for whoever only asks for it

	mu      sync.Mutex // guards what follows
	image   Image      // Records is unused: pools hold them
	pools   map[Protocol]*pool.Pool[Record]
	changed chan struct{} // closed at the next commit; nil if nobody waits for it
}

// NewMemoryJournal returns an empty journal.
func NewMemoryJournal() *MemoryJournal {
	content := &memoryContent{pools: make(map[Protocol]*pool.Pool[Record])}
	for _, protocol := range pool.Protocols() {
		content.pools[protocol] = pool.New[Record]()
	}
	content.image.Revision.Lineage = randomLineage()
	content.revision.Store(&Revision{Lineage: content.image.Revision.Lineage})
	return content.open()
}

// Reopen returns another handle on the same content, open whether or not j is closed.
func (j *MemoryJournal) Reopen() *MemoryJournal { return j.content.open() }

func (c *memoryContent) open() *MemoryJournal {
	closed := make(chan struct{})
	return &MemoryJournal{content: c, closed: closed, closing: sync.OnceFunc(func() { close(closed) })}
}

// Load implements [Journal].
func (j *MemoryJournal) Load(ctx context.Context) (*Image, error) {
	if err := j.check(ctx); err != nil {
		return nil, err
	}
	c := j.content
	c.mu.Lock()
	defer c.mu.Unlock()
	image := c.image
	image.Earlier = slices.Clone(image.Earlier)
	image.Dynamic = maps.Clone(image.Dynamic)
	image.Records = make([]Record, 0, c.pools[TCP].Len()+c.pools[UDP].Len())
	for _, protocol := range pool.Protocols() {
		for _, record := range c.pools[protocol].All() {
			image.Records = append(image.Records, record)
		}
	}
	return &image, nil
}

// Revision implements [Journal].
func (j *MemoryJournal) Revision(ctx context.Context) (Revision, error) {
	if err := j.check(ctx); err != nil {
		return Revision{}, err
	}
	return *j.content.revision.Load(), nil
}

// Commit implements [Journal].
func (j *MemoryJournal) Commit(ctx context.Context, base Revision, edits []Edit) (Revision, error) {
	if err := j.check(ctx); err != nil {
		return Revision{}, err
	}
	c := j.content
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case base != c.image.Revision:
		return Revision{}, ErrStale
	case len(edits) == 0:
		return base, nil
	}
	image, undo := c.image, []func(){}
	for _, edit := range edits {
		revert, err := c.apply(&image, edit)
		if err != nil {
			for _, revert := range slices.Backward(undo) {
				revert()
			}
			return Revision{}, err
		}
		undo = append(undo, revert)
	}
	image.Revision.Number++
	c.image = image
	c.revision.Store(&image.Revision)
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	return image.Revision, nil
}

// Watch implements [WatchedJournal].
func (j *MemoryJournal) Watch(ctx context.Context) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		c := j.content
		for j.check(ctx) == nil {
			revision, changed := c.next()
			if !yield(revision, nil) {
				return
			}
			select {
			case <-changed:
			case <-j.closed:
			case <-ctx.Done():
			}
		}
	}
}

// apply makes one edit, of the pools in place and of everything else in image, and returns how to
// undo what it did in place.
func (c *memoryContent) apply(image *Image, edit Edit) (undo func(), err error) {
	record := edit.Record
	blocks := c.pools[record.Protocol]
	switch edit.Op {
	case EditPut:
		if err := record.Validate(); err != nil {
			return nil, err
		}
		record.Created = record.Created.UTC().Round(0) // as a disk would give it back
		if !blocks.Insert(record.Range, record) {
			return nil, fmt.Errorf("%w: %s %s overlaps another record", ErrInvalid, record.Protocol, record.Range)
		}
		return func() { blocks.Delete(record.Range) }, nil
	case EditDelete:
		if blocks == nil {
			return nil, fmt.Errorf("%w: a record of %s", ErrInvalid, record.Protocol)
		}
		old, found := blocks.Delete(record.Range)
		if !found {
			return nil, fmt.Errorf("%w: there is no record of %s %s to delete", ErrInvalid, record.Protocol, record.Range)
		}
		return func() { blocks.Insert(old.Range, old) }, nil
	case EditBoot:
		image.Earlier = slices.Clone(image.Earlier)
		image.begin(edit.Boot, image.Revision)
		return func() {}, edit.Boot.Validate()
	case EditDynamic:
		image.Dynamic = maps.Clone(image.Dynamic)
		if image.Dynamic == nil {
			image.Dynamic = make(map[Protocol]Range)
		}
		image.Dynamic[record.Protocol] = record.Range
		if !record.Protocol.IsValid() {
			return nil, fmt.Errorf("%w: a dynamic range of %s", ErrInvalid, record.Protocol)
		}
		return func() {}, ValidateDynamic(record.Range)
	}
	return nil, fmt.Errorf("%w: edit operation %d", ErrInvalid, edit.Op)
}

// next returns the present revision and what is closed when there is another.
func (c *memoryContent) next() (Revision, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.image.Revision, c.changed
}

// Close implements [Journal].
func (j *MemoryJournal) Close() error {
	j.closing()
	return nil
}

func (j *MemoryJournal) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-j.closed:
		return ErrClosed
	default:
		return nil
	}
}
