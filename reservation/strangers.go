package reservation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berthkit/berth/pool"
)

// rememberFor is how long a port that somebody else had is passed over. It bounds how long a port that
// was given back goes unnoticed, and how often the system's table has to be read.
const rememberFor = time.Second

// widestShared is the most ports that several callers, of which none asked for so many, look at
// together: as many as the usual dynamic range has, which is looked at as one too. A wider look would
// be a bad bargain where the system has no table and every port is probed.
const widestShared = 1 << 14

// strangers is what a host remembers of the ports of one protocol that sockets of others are bound to.
// It is a hint: strangers come and go unseen. So it says what to try last, and neither that nothing is
// left nor anything of a port that is asked for by number. The host's mu guards it.
type strangers struct {
	ports *pool.PortSet // nil if none is remembered
	since time.Time     // when the first of ports was seen
	looks uint64        // that have begun
	last  *look         // the last of them; nil before the first
	next  Range         // what callers wait for the next one to tell of; may be zero
}

// A look is one reading of the system's table of sockets, for all who need one at that time.
type look struct {
	number  uint64 // 1 for the first
	within  Range
	own     pool.PortSet  // ports that were the host's at some time during it; guarded by mu
	running bool          // guarded by mu
	done    chan struct{} // closed at its end; what follows is valid then, and never changes
	taken   *pool.PortSet // ports of within that others' sockets are bound to
	err     error
}

// errAbandoned ends a look whose reader did not come to an end: nobody else can use it.
var errAbandoned = errors.New("the look at the system's sockets was given up")

// known returns the ports that are worth passing over, nil if there are none. A call's time may be a
// little before that of what another has seen since, but not much: then the clock was set back.
func (s *strangers) known(now time.Time) *pool.PortSet {
	if s.ports != nil && now.Sub(s.since).Abs() >= rememberFor {
		s.ports = nil
	}
	return s.ports
}

// add remembers a port that was tried in vain.
func (s *strangers) add(port uint16, now time.Time) {
	if s.known(now) == nil {
		s.ports, s.since = new(pool.PortSet), now
	}
	s.ports.Add(pool.RangeOf(port))
	if s.isLooking() {
		s.last.own.Remove(pool.RangeOf(port)) // it was claimed for the try only
	}
}

// replace remembers what a look has seen.
func (s *strangers) replace(l *look, now time.Time) {
	if s.known(now) != nil {
		s.ports.Remove(l.within)
		if s.ports.Len() > 0 {
			for r := range l.taken.Ranges() {
				s.ports.Add(r)
			}
			return
		}
		s.ports = nil
	}
	if l.taken.Len() > 0 {
		s.ports, s.since = l.taken.Clone(), now
	}
}

// own notes that the ports of r are the host's from now on.
func (s *strangers) own(r Range) {
	if s.isLooking() {
		s.last.own.Add(r)
	}
}

func (s *strangers) isLooking() bool { return s.last != nil && s.last.running }

// serves reports whether l tells of within what was so after an earlier look had begun.
func (l *look) serves(within Range, after uint64) bool {
	return l.number > after && l.within.Covers(within) && l.err != errAbandoned
}

// strangersIn returns the ports of within, and possibly others, that sockets of others than the host are bound
// to, as they were after the look with that number had begun. One caller reads the table at a time, and
// all others who wait use what it read if that is not too old for them; those for whom it is are told
// together by the next one. The set is shared: nobody may change or clone it. It is nil if the host
// knows of no table.
func (h *Host) strangersIn(ctx context.Context, protocol Protocol, within Range, after uint64) (*pool.PortSet, error) {
	if h.ports == nil {
		return nil, nil
	}
	space := h.spaces.of(protocol)
	for {
		l, isReader := h.joinLook(space, within, after)
		if isReader {
			h.read(ctx, space, l)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return l.taken, l.err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if l.serves(within, after) {
			return l.taken, l.err
		}
	}
}

// joinLook returns the look that the caller is to wait for, or to read the table for.
func (h *Host) joinLook(space *portSpace, within Range, after uint64) (_ *look, isReader bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &space.strangers
	if s.last != nil && s.last.serves(within, after) {
		return s.last, false
	}
	wanted := spanOf(s.next, within)
	if s.last != nil && s.last.running {
		if wanted.Count() <= widestShared {
			s.next = wanted
		}
		return s.last, false
	}
	if wanted.Count() <= widestShared {
		within = wanted
	}
	s.next = Range{}
	s.looks++
	l := &look{number: s.looks, within: within, running: true, done: make(chan struct{})}
	for r := range space.blocks.RangesInUse(within) {
		l.own.Add(r)
	}
	if h.keeper != nil {
		for r, b := range space.blocks.Overlapping(within) {
			if b.kind == Runtime {
				l.own.Add(r)
			}
		}
	}
	s.last = l
	return l, true
}

// read reads the table for l, without a lock.
func (h *Host) read(ctx context.Context, space *portSpace, l *look) {
	taken, err := new(pool.PortSet), errAbandoned
	defer func() { // as well when the table panics
		now := h.now()
		h.mu.Lock()
		defer h.mu.Unlock()
		for r := range l.own.Ranges() {
			taken.Remove(r)
		}
		l.taken, l.err, l.running = taken, err, false
		if err == nil {
			space.strangers.replace(l, now)
		}
		close(l.done)
	}()
	ports, failed := h.socketsIn(ctx, space.protocol, l.within)
	if failed == nil || ctx.Err() == nil {
		taken, err = setOf(ports), failed
	}
}

// remember notes that somebody else had port, unless that was the host itself.
func (h *Host) remember(protocol Protocol, port uint16, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	space := h.spaces.of(protocol)
	if _, b, held := space.blocks.At(port); held && b.kind == Runtime || space.blocks.InUse(pool.RangeOf(port)) {
		return
	}
	space.strangers.add(port, now)
}

// strangersNow is strangersIn for what is so from now on.
func (h *Host) strangersNow(ctx context.Context, protocol Protocol, within Range) (*pool.PortSet, error) {
	h.mu.Lock()
	looks := h.spaces.of(protocol).strangers.looks
	h.mu.Unlock()
	return h.strangersIn(ctx, protocol, within, looks)
}

// spanOf returns the smallest range that covers both; either may be zero.
func spanOf(a, b Range) Range {
	if !a.IsValid() {
		return b
	}
	first := min(a.First(), b.First())
	span, _ := pool.RangeFrom(first, int(max(a.Last(), b.Last()))-int(first)+1)
	return span
}

// countIn returns how many ports of r are in some of the sets, and the lowest of them; nil sets are empty.
func countIn(r Range, sets ...*pool.PortSet) (count int, lowest uint16) {
	var ports []uint16
	for _, set := range sets {
		if set == nil || !set.Overlaps(r) {
			continue
		}
		for port := range set.All() {
			if r.Contains(port) {
				ports = append(ports, port)
			}
		}
	}
	if len(ports) == 0 {
		return 0, 0
	}
	slices.Sort(ports)
	return len(slices.Compact(ports)), ports[0]
}
