package reservation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/berthkit/berth/pool"
)

// A refusal is a condition and who causes it, on its way from a rule to the call that it ends.
type refusal struct {
	condition error
	conflict  *Conflict
}

func (r *refusal) Error() string { return r.condition.Error() }
func (r *refusal) Unwrap() error { return r.condition }

// fail turns whatever ended a call into the *Error that the caller gets.
func fail(op string, protocol Protocol, r Range, err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := err.(*refusal); ok {
		return &Error{Op: op, Protocol: protocol, Range: r, Conflict: refused.conflict, Err: refused.condition}
	}
	return &Error{Op: op, Protocol: protocol, Range: r, Err: err}
}

// conflictingBlock says which blocks stand on r, nil if none does.
func (s *portSpace) conflictingBlock(r Range) *Conflict {
	var conflict *Conflict
	for _, b := range s.blocks.Overlapping(r) {
		if conflict != nil {
			conflict.Others++
			continue
		}
		shown := b.describe(len(s.boundIn(b.rng)))
		conflict = &Conflict{Block: &shown}
	}
	return conflict
}

// conflictingSocket says which of the host's own sockets stand on r, nil if none does.
func (s *portSpace) conflictingSocket(r Range) *Conflict {
	ports := s.boundIn(r)
	if len(ports) == 0 {
		return nil
	}
	holder := s.holder(ports[0])
	return &Conflict{Socket: &holder, Others: len(ports) - 1}
}

// conflictIn says who of the host's own stands in a range that a search has gone through, nil if
// nobody does.
func (s *portSpace) conflictIn(r Range) *Conflict {
	if blocks := s.conflictingBlock(r); blocks != nil {
		return blocks
	}
	return s.conflictingSocket(r)
}

func (s *portSpace) holder(port uint16) Holder {
	caller := s.bound.of(port).owner.caller
	return Holder{Port: port, PID: caller.PID, Program: caller.Program, Ours: true}
}

// boundIn returns the ports of r that endpoints of the host have bound, in order.
func (s *portSpace) boundIn(r Range) []uint16 {
	var ports []uint16
	for run := range s.blocks.RangesInUse(r) {
		ports = slices.AppendSeq(ports, run.Ports())
	}
	return ports
}

// unbound returns the lowest port of b that no endpoint has bound and that is in none of avoid.
func (s *portSpace) unbound(b *block, avoid []*pool.PortSet) (port uint16, found bool) {
	isAvoided := func(port int) bool {
		return slices.ContainsFunc(avoid, func(set *pool.PortSet) bool { return set != nil && set.Contains(uint16(port)) })
	}
	next := int(b.rng.First())
	for run := range s.blocks.RangesInUse(b.rng) {
		for ; next < int(run.First()); next++ {
			if !isAvoided(next) {
				return uint16(next), true
			}
		}
		next = int(run.Last()) + 1
	}
	for ; next <= int(b.rng.Last()); next++ {
		if !isAvoided(next) {
			return uint16(next), true
		}
	}
	return 0, false
}

// advance lets the next automatic assignment look behind port.
func (s *portSpace) advance(port uint16) {
	if s.next = port + 1; !s.dynamic.Contains(s.next) {
		s.next = s.dynamic.First()
	}
}

// socketsIn asks the computer which ports of r are bound, by anybody.
func (h *Host) socketsIn(ctx context.Context, protocol Protocol, r Range) ([]uint16, error) {
	if h.ports == nil {
		return nil, nil
	}
	ports, err := h.ports.InUse(ctx, protocol, r)
	if err != nil {
		return nil, fmt.Errorf("ask the system which ports are bound: %w", err)
	}
	return ports, nil
}

// admitSockets decides whether the socket of anybody else stands on r: C4, Q4. The host knows its own.
func (h *Host) admitSockets(ctx context.Context, protocol Protocol, r Range) error {
	strangers, err := h.strangersNow(ctx, protocol, r)
	if err != nil {
		return err
	}
	count, lowest := countIn(r, strangers)
	if count == 0 {
		return nil
	}
	return &refusal{ErrInUse, &Conflict{Socket: h.ownerOf(ctx, protocol, lowest), Others: count - 1}}
}

// ownerOf tells who has bound port, as far as the system says: somebody else rather than our keeper.
func (h *Host) ownerOf(ctx context.Context, protocol Protocol, port uint16) *Holder {
	if h.ports == nil {
		return &Holder{Port: port}
	}
	holders, err := h.ports.Holders(ctx, protocol, pool.RangeOf(port))
	if err != nil || len(holders) == 0 {
		return &Holder{Port: port}
	}
	if others := h.withoutKept(protocol, slices.Clone(holders)); len(others) > 0 {
		holders = others
	}
	return &holders[0]
}

// withoutKept takes out of holders the sockets that keep the runtime blocks of this host: the blocks
// themselves say who has those ports.
func (h *Host) withoutKept(protocol Protocol, holders []Holder) []Holder {
	if h.keeper == nil {
		return holders
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	blocks := h.spaces.of(protocol).blocks
	return slices.DeleteFunc(holders, func(holder Holder) bool {
		_, b, held := blocks.At(holder.Port)
		return held && b.kind == Runtime && (holder.PID == 0 || holder.PID == b.owner.process.caller.PID)
	})
}

// withNearest adds to a conflict where the nearest free block of the same size is. The zero r is that
// of a call that left the choice to the engine.
func (h *Host) withNearest(ctx context.Context, protocol Protocol, r Range, err error) error {
	if refused, ok := err.(*refusal); ok && refused.conflict != nil && r.IsValid() {
		refused.conflict.Nearest = h.nearest(ctx, protocol, r)
	}
	return err
}

// nearestTries is how many candidates the nearest free block is looked for among. The engine knows
// at once where its own ports are free; each candidate is then shown to the system, which may take
// milliseconds, and all that waits for it is a message.
const nearestTries = 16

// nearest returns the free block of r's size whose start is the nearest to r's, the zero Range if
// there is none, if the system does not answer, or if strangers stand on all of the nearest ones.
func (h *Host) nearest(ctx context.Context, protocol Protocol, r Range) Range {
	avoid := new(pool.PortSet)
	for range nearestTries {
		candidate := h.nearestBut(protocol, r, avoid)
		if !candidate.IsValid() {
			return Range{}
		}
		ports, err := h.socketsIn(ctx, protocol, candidate)
		if err != nil {
			h.log.Warn("cannot tell which ports are bound", "protocol", protocol, "error", err)
			return Range{}
		}
		if len(ports) == 0 {
			return candidate
		}
		for _, port := range ports {
			avoid.Add(pool.RangeOf(port))
		}
	}
	return Range{}
}

// nearestBut is nearest for what the engine knows, and for the ports to avoid.
func (h *Host) nearestBut(protocol Protocol, r Range, avoid *pool.PortSet) Range {
	h.mu.Lock()
	defer h.mu.Unlock()
	blocks := h.spaces.of(protocol).blocks
	starting := func(from, to int) (Range, bool) { // the lowest free block that starts in from-to
		from, to = max(from, 1), min(to+r.Count()-1, pool.MaxPort)
		within, err := pool.RangeFrom(uint16(from), to-from+1)
		if err != nil {
			return Range{}, false
		}
		return blocks.FindFree(r.Count(), pool.Search{Within: within, Avoid: []*pool.PortSet{avoid}})
	}
	first, low := int(r.First()), 1
	above, found := starting(first, pool.MaxPort)
	if found {
		low = max(1, 2*first-int(above.First())+1) // what starts below this is farther than above
	}
	below, better := starting(low, first-1)
	if !better {
		return above
	}
	// "A free block starts between x and first" holds up to the nearest one and not beyond.
	high := first - 1
	for low = int(below.First()); low < high; {
		middle := (low + high + 1) / 2
		if candidate, ok := starting(middle, first-1); ok {
			below, low = candidate, int(candidate.First())
			continue
		}
		high = middle - 1
	}
	return below
}

// setOf returns the set of ports, which are in ascending order.
func setOf(ports []uint16) *pool.PortSet {
	set := new(pool.PortSet)
	for i := 0; i < len(ports); {
		end := i + 1
		for end < len(ports) && ports[end] == ports[end-1]+1 {
			end++
		}
		if r, err := pool.RangeFrom(ports[i], end-i); err == nil {
			set.Add(r)
		}
		i = end
	}
	return set
}

func compareHolders(a, b Holder) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.PID, b.PID))
}
