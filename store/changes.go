package store

import "sync"

// changes wakes those who wait for the next change of a store's content. The zero value is ready.
type changes struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next announcement; nil if nobody waits
}

// wait returns a channel that the next change closes.
func (c *changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *changes) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}
