package reservation

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A change is what one caller wants of the journal. Whoever comes while a commit runs waits in the
// queue, and the next commit carries all that wait: one leader commits for them, without a timer and
// without delay for a caller who is alone.
type change struct {
	// prepare decides, under mu, whether the change is admitted, claims what it needs and returns
	// the edits. It may be called again after the journal turned out to have changed.
	prepare func() ([]Edit, error)
	// settle makes the change visible or undoes the claim, under mu.
	settle func(committed bool)

	err  error // valid once done is closed
	done chan struct{}
}

func (c *change) finish(err error) {
	c.err = err
	close(c.done)
}

// A queue holds the changes that wait for the next commit.
type queue struct {
	mu      sync.Mutex // guards waiting; a leaf: nothing else is locked under it
	waiting []*change
}

func (q *queue) add(c *change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
}

func (q *queue) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting = nil
	return batch
}

// withdraw takes c out again and reports whether it was still waiting.
func (q *queue) withdraw(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, c)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// submit has c committed, by this caller or by another. A context that ends while c still waits
// withdraws it; once its commit has begun, its outcome counts.
func (h *Host) submit(ctx context.Context, c *change) error {
	c.done = make(chan struct{})
	h.waiting.add(c)
	select {
	case h.writer <- struct{}{}:
		h.commit(context.WithoutCancel(ctx), h.waiting.take())
		<-h.writer
	case <-c.done:
	case <-h.closing:
		if h.waiting.withdraw(c) {
			return ErrClosed
		}
	case <-ctx.Done():
		if h.waiting.withdraw(c) {
			return ctx.Err()
		}
	}
	<-c.done
	return c.err
}

// commit carries a batch of changes to the journal and finishes each. The caller holds writer.
func (h *Host) commit(ctx context.Context, batch []*change) {
	stale := false
	for len(batch) > 0 {
		var admitted, refused []*change
		var edits []Edit
		h.mu.Lock()
		base := *h.revision.Load()
		for _, c := range batch {
			its, err := c.prepare()
			if c.err = err; err != nil {
				refused = append(refused, c)
				continue
			}
			admitted, edits = append(admitted, c), append(edits, its...)
		}
		h.mu.Unlock()
		if len(admitted) == 0 {
			if stale { // the journal may be keeping a turn for us
				if _, err := h.journal.Commit(ctx, base, nil); err != nil && !errors.Is(err, ErrStale) {
					h.log.Warn("a commit of nothing failed", "error", err)
				}
			}
			finishAll(refused)
			return
		}
		revision, err := h.journal.Commit(ctx, base, edits)
		h.mu.Lock()
		for _, c := range admitted {
			c.settle(err == nil)
		}
		if err == nil {
			h.advanceLocked(revision)
		}
		h.mu.Unlock()
		if errors.Is(err, ErrStale) {
			// Somebody else's commit came first. Theirs is progress, so this ends; and a journal that
			// is shared by many may keep the next turn for us.
			if err = h.reload(ctx); err == nil {
				stale = true
				continue
			}
		}
		for _, c := range admitted {
			c.err = err
		}
		finishAll(admitted)
		if err == nil {
			finishAll(refused)
			return
		}
		// What was refused may have been so because of a claim that has just been undone.
		batch = refused
	}
}

func finishAll(changes []*change) {
	for _, c := range changes {
		c.finish(c.err)
	}
}
