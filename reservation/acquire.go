package reservation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthkit/berth/pool"
)

// Acquire implements [Endpoint].
//
// Source: https://learn.microsoft.com/windows/win32/winsock/sio-acquire-port-reservation
func (e *endpoint) Acquire(ctx context.Context, request Request) (Reservation, error) {
	asked, _ := pool.RangeFrom(request.First, request.Count)
	b, err := e.acquire(ctx, request)
	if err != nil {
		return Reservation{}, fail("acquire", e.protocol, asked, e.process.host.withNearest(ctx, e.protocol, asked, err))
	}
	return Reservation{Range: b.rng, Token: b.token}, nil
}

func (e *endpoint) acquire(ctx context.Context, request Request) (*block, error) {
	if err := e.check(ctx); err != nil {
		return nil, err
	}
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	h := e.process.host
	if err := h.current(ctx); err != nil {
		return nil, err
	}
	search, err := h.newSearch(ctx, e.protocol, request)
	if err != nil {
		return nil, err
	}
	for {
		b, err := e.claim(request, search.avoid)
		switch {
		case err == nil:
		case search.again(ctx, err):
			continue
		default:
			return nil, search.withObstacle(ctx, err)
		}
		// The claim keeps the host's own callers away; now for everybody else.
		err = e.secure(ctx, b)
		switch {
		case err == nil:
			return b, nil
		case errors.Is(err, errOvertaken):
			continue // the pool knows it now
		case !errors.Is(err, ErrInUse):
			return nil, withoutCall(err, b.rng)
		case request.First != 0:
			return nil, h.withHolder(ctx, b, err)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		search.passOver(ctx, b, err)
	}
}

// claim puts a block into the pool that nobody sees yet.
func (e *endpoint) claim(request Request, avoid *pool.PortSet) (*block, error) {
	h := e.process.host
	b := &block{protocol: e.protocol, kind: Runtime, label: request.Label, created: h.now().UTC(), serial: h.draw(), owner: e}
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if b.rng, err = h.admitRuntimeLocked(e, request, avoid); err != nil {
		return nil, err
	}
	h.nameLocked(b)
	h.insertLocked(b)
	e.held = append(e.held, b)
	return b, nil
}

// secure makes sure that nobody else in the system has a port of a claimed block, without a lock,
// and keeps or undoes the claim; it undoes it as well when the keeper panics.
func (e *endpoint) secure(ctx context.Context, b *block) (err error) {
	h := e.process.host
	var kept KeptBlock
	secured := false
	defer func() {
		if unsettled := e.settle(b, kept, secured); unsettled != nil {
			err = unsettled
		}
	}()
	if h.keeper == nil {
		err = h.admitSockets(ctx, b.protocol, b.rng)
	} else {
		kept, err = h.keeper.Keep(ctx, b.protocol, b.rng)
	}
	if err == nil {
		// Another host may have reserved the ports and looked at the sockets before ours were there:
		// it commits and then looks, we bind and then look, so one of the two sees the other.
		err = h.current(ctx)
	}
	secured = err == nil
	return err
}

// errOvertaken is a block whose ports another host has reserved in the journal meanwhile.
var errOvertaken = errors.New("another host has reserved the ports")

// settle keeps or undoes a claim. It returns ErrClosed if the endpoint was closed in between, and
// errOvertaken.
func (e *endpoint) settle(b *block, kept KeptBlock, keep bool) (err error) {
	h := e.process.host
	h.mu.Lock()
	b.kept = kept
	switch {
	case e.closed.Load():
		err = ErrClosed
	case keep && h.spaces.of(b.protocol).hides(b.rng):
		err = errOvertaken
	}
	var left ending
	if keep && err == nil {
		b.public.Store(true)
		h.noticeLocked()
	} else {
		e.dropLocked(b, &left)
	}
	h.mu.Unlock()
	h.finish(left)
	return err
}

// Release implements [Endpoint].
//
// Source: https://learn.microsoft.com/windows/win32/winsock/sio-release-port-reservation
func (e *endpoint) Release(ctx context.Context, token Token) error {
	h := e.process.host
	var left ending
	err := e.withToken(ctx, token, func(b *block) error {
		if err := h.admitReleaseLocked(e, b); err != nil {
			return err
		}
		b.owner.dropLocked(b, &left)
		return nil
	})
	h.finish(left)
	return fail("release", e.protocol, Range{}, err)
}

// dropLocked ends a runtime reservation of e.
func (e *endpoint) dropLocked(b *block, left *ending) {
	e.process.host.endLocked(b, left)
	e.held = slices.DeleteFunc(e.held, func(held *block) bool { return held == b })
}

// An ending is the runtime blocks that ended under mu and whose ports are still kept: letting go
// makes system calls, so it waits until mu is free.
type ending []*block

// endLocked ends a runtime block: its token is dead from here on. A block whose ports are kept stays
// in the pool until finish has let go of them, so that nobody is given a port that is still bound.
// Whoever ends runtime blocks ends them here.
func (h *Host) endLocked(b *block, left *ending) {
	switch {
	case b.ended:
	case b.kept == nil:
		h.removeLocked(b)
	default:
		h.disownLocked(b)
		*left = append(*left, b)
	}
}

// finish lets go of the ports of blocks that have ended. The caller does not hold mu.
func (h *Host) finish(left ending) {
	if len(left) == 0 {
		return
	}
	for _, b := range left {
		if err := b.kept.Close(); err != nil {
			h.log.Warn("cannot let go of all ports of a runtime reservation", "protocol", b.protocol, "range", b.rng, "error", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range left {
		h.removeLocked(b)
	}
}

// A search is the wildcard part of one acquire: which ports have turned out to be taken by others.
type search struct {
	host     *Host
	protocol Protocol
	within   Range         // zero for a specific block
	avoid    *pool.PortSet // nil until it is known that somebody is in the way
	looks    int           // at the computer's sockets
}

// newSearch prepares the search for a block. A keeper finds out who is in the way by trying; without
// one the computer's sockets are looked at first.
func (h *Host) newSearch(ctx context.Context, protocol Protocol, request Request) (*search, error) {
	s := &search{host: h, protocol: protocol}
	if request.First != 0 {
		return s, nil
	}
	if s.within = request.Within; !s.within.IsValid() {
		h.mu.Lock()
		s.within = h.spaces.of(protocol).dynamic
		h.mu.Unlock()
	}
	if h.keeper != nil {
		return s, nil
	}
	ports, err := h.socketsIn(ctx, protocol, s.within)
	s.avoid = setOf(ports)
	return s, err
}

// passOver goes on after b, which err says has a port that somebody else has. It looks at the
// computer's sockets once, so that what follows is not one try for each of their ports.
func (s *search) passOver(ctx context.Context, b *block, err error) {
	if s.avoid == nil {
		s.look(ctx)
	}
	s.avoid.Add(portOf(err, b.rng))
}

func (s *search) look(ctx context.Context) {
	s.avoid = s.host.strangersIn(ctx, s.protocol, s.within)
	s.looks++
}

// again reports whether a search that err ended has to be made once more: what was seen of the
// computer's sockets is older than the blocks that have ended since, so a refusal asks a second time.
func (s *search) again(ctx context.Context, err error) bool {
	if s.host.keeper == nil || s.looks != 1 || !errors.Is(err, s.host.policy.AcquireExhausted) {
		return false
	}
	s.look(ctx)
	return true
}

// withObstacle says in the refusal of a search who is in the way.
func (s *search) withObstacle(ctx context.Context, err error) error {
	refused, ok := err.(*refusal)
	if !ok || s.avoid == nil || s.avoid.Len() == 0 {
		return err
	}
	others := s.avoid.Len() - 1
	if refused.conflict != nil {
		others += 1 + refused.conflict.Others
	}
	for port := range s.avoid.All() {
		refused.conflict = &Conflict{Socket: s.host.ownerOf(ctx, s.protocol, port), Others: others}
		break
	}
	return err
}

// portOf returns the port of r that err says is in use, and r if it does not say.
func portOf(err error, r Range) Range {
	if refused, ok := err.(*refusal); ok && refused.conflict.Socket != nil {
		return pool.RangeOf(refused.conflict.Socket.Port)
	}
	var taken *Error
	if errors.As(err, &taken) && taken.Range.IsValid() && r.Covers(taken.Range) {
		return taken.Range
	}
	return r
}

// withoutCall takes the call out of a keeper's error, which the caller's own will name, but for the
// one port of r that it may be about.
func withoutCall(err error, r Range) error {
	failed, ok := err.(*Error)
	switch {
	case !ok:
		return err
	case failed.Range.IsValid() && failed.Range != r:
		return fmt.Errorf("port %s: %w", failed.Range, failed.Err)
	}
	return failed.Err
}

// withHolder says in the refusal of a specific block who has its ports. What err knows is one port;
// the computer's sockets are asked for the rest.
func (h *Host) withHolder(ctx context.Context, b *block, err error) error {
	if _, known := err.(*refusal); known {
		return err
	}
	port := portOf(err, b.rng).First()
	if taken, ok := err.(*Error); ok {
		err = taken.Err
	}
	ports := h.strangersIn(ctx, b.protocol, b.rng)
	ports.Add(pool.RangeOf(port))
	return &refusal{err, &Conflict{Socket: h.ownerOf(ctx, b.protocol, port), Others: ports.Len() - 1}}
}

// strangersIn returns the ports of within that sockets of others are bound to. The host's own are
// left out, and those of its runtime blocks: the engine knows when they are given back.
func (h *Host) strangersIn(ctx context.Context, protocol Protocol, within Range) *pool.PortSet {
	own := h.ownIn(protocol, within)
	ports, err := h.socketsIn(ctx, protocol, within)
	if err != nil {
		h.log.Warn("cannot tell which ports are bound; each will be tried", "protocol", protocol, "error", err)
	}
	taken := setOf(ports)
	for _, r := range append(own, h.ownIn(protocol, within)...) {
		taken.Remove(r)
	}
	return taken
}

// ownIn returns what the host has bound in within: for its endpoints, and to keep its runtime blocks.
func (h *Host) ownIn(protocol Protocol, within Range) []Range {
	h.mu.Lock()
	defer h.mu.Unlock()
	blocks := h.spaces.of(protocol).blocks
	own := slices.Collect(blocks.RangesInUse(within))
	if h.keeper == nil {
		return own
	}
	for r, b := range blocks.Overlapping(within) {
		if b.kind == Runtime {
			own = append(own, r)
		}
	}
	return own
}
