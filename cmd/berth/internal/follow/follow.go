// Package follow makes a trace of what comes and goes on a computer: the blocks of a store and the
// ports that sockets are bound to, whoever made them.
package follow

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/reservation"
)

// A Follower looks at a computer again and again and writes what has changed.
//
// A block of the store is a block of the trace. A port that sockets are bound to is a block of one
// port, unless it belongs to one of the store. Each that comes is written as the question that its
// maker has asked, and as an insertion; what is there at the first look as an insertion alone. What
// comes and goes between two looks is not seen.
type Follower struct {
	List  func(ctx context.Context) ([]reservation.Block, error) // the blocks of both protocols
	Watch reservation.Watcher                                    // whose changes are a reason to look at once; nil if nobody tells
	Ports reservation.PortTable                                  // the sockets; nil leaves them out
	Every time.Duration                                          // between looks, above 0
	Out   *trace.Writer

	started time.Time
	present map[place]bool
	counts  Counts
}

// Counts is how many blocks and sockets came and went.
type Counts struct {
	Looks    int // at the computer
	Present  int // at the first look
	Inserted int // after that
	Deleted  int
}

// Operations returns how many operations are in the trace.
func (c Counts) Operations() int { return c.Present + 2*c.Inserted + c.Deleted }

// A place is where a block lies.
type place struct {
	protocol reservation.Protocol
	ports    reservation.Range
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.protocol, b.protocol), a.ports.Compare(b.ports))
}

// Begin looks for the first time and writes what is there. The error is that of the look, or of writing.
func (f *Follower) Begin(ctx context.Context) error {
	f.started = time.Now()
	if err := f.Out.Comment("what was there at the beginning"); err != nil {
		return err
	}
	now, err := f.places(ctx)
	if err != nil {
		return err
	}
	for _, p := range without(now, nil) {
		if err := f.write(trace.Insert, p); err != nil {
			return err
		}
	}
	f.present = now
	f.counts = Counts{Looks: 1, Present: len(now)}
	return f.Out.Flush()
}

// Run looks until ctx is done, and once more then, after [Follower.Begin]. Its errors are as there.
func (f *Follower) Run(ctx context.Context) (Counts, error) {
	wake, stop := f.wake(ctx)
	defer stop()
	clock := time.NewTicker(f.Every)
	defer clock.Stop()
	for ended := false; !ended; {
		select {
		case <-wake:
		case <-clock.C:
		case <-ctx.Done():
			ended = true
		}
		if err := f.look(context.WithoutCancel(ctx)); err != nil {
			return f.counts, err
		}
	}
	return f.counts, nil
}

// wake returns a channel that gets a value when something has changed, until stop is called.
func (f *Follower) wake(ctx context.Context) (wake <-chan struct{}, stop func()) {
	if f.Watch == nil {
		return nil, func() {}
	}
	signals, done := make(chan struct{}, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for _, err := range f.Watch.Watch(ctx) {
			if err != nil {
				return // the clock remains
			}
			select {
			case signals <- struct{}{}:
			default:
			}
		}
	}()
	return signals, func() {
		cancel()
		<-done
	}
}

// look writes what has changed since the last look.
func (f *Follower) look(ctx context.Context) error {
	now, err := f.places(ctx)
	if err != nil {
		return err
	}
	f.counts.Looks++
	gone, come := without(f.present, now), without(now, f.present)
	f.present = now
	if len(gone)+len(come) == 0 {
		return nil
	}
	if err := f.Out.Comment(fmt.Sprintf("after %.3f s", time.Since(f.started).Seconds())); err != nil {
		return err
	}
	for _, p := range gone {
		if err := f.write(trace.Delete, p); err != nil {
			return err
		}
	}
	for _, p := range come {
		if err := f.write(trace.Overlaps, p); err != nil {
			return err
		}
		if err := f.write(trace.Insert, p); err != nil {
			return err
		}
	}
	f.counts.Inserted += len(come)
	f.counts.Deleted += len(gone)
	return f.Out.Flush()
}

func (f *Follower) write(verb trace.Verb, p place) error {
	return f.Out.Write(trace.Operation{Verb: verb, Protocol: p.protocol, Range: p.ports})
}

// places returns the blocks of the trace as they are now: disjoint ones.
func (f *Follower) places(ctx context.Context) (map[place]bool, error) {
	blocks, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	now := make(map[place]bool, len(blocks))
	var reserved [2]pool.PortSet
	protocols := pool.Protocols()
	for _, b := range blocks {
		now[place{b.Protocol, b.Range}] = true
		reserved[slices.Index(protocols[:], b.Protocol)].Add(b.Range)
	}
	if f.Ports == nil {
		return now, nil
	}
	for i, protocol := range protocols {
		ports, err := f.Ports.InUse(ctx, protocol, pool.AllPorts)
		if err != nil {
			return nil, err
		}
		for _, port := range ports {
			if !reserved[i].Contains(port) {
				now[place{protocol, pool.RangeOf(port)}] = true
			}
		}
	}
	return now, nil
}

// without returns the places of some that are not in others, by protocol and port.
func without(some, others map[place]bool) []place {
	var found []place
	for p := range some {
		if !others[p] {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, comparePlaces)
	return found
}
