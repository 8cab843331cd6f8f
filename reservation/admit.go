package reservation

import (
	"fmt"

	"github.com/berthkit/berth/pool"
)

// This file is the rules: each question is decided by one function, which reads like the table in
// docs/semantics.md and names its rows. The order of admission is: arguments, privilege, overlap, in
// use. Whoever calls a function whose name ends in Locked holds the host's mu.

// admitAdministrator decides who may change what survives a restart: C1, P1, P5, A26.
func (p *Process) admitAdministrator(arguments error) error {
	var privilege error
	if !p.caller.Elevated {
		privilege = fmt.Errorf("%w: this needs an elevated administrator, one who may write the store", ErrDenied)
	}
	if p.host.policy.ArgumentsFirst && arguments != nil || privilege == nil {
		return arguments
	}
	return privilege
}

// admitPersistentLocked decides whether a persistent reservation or an exclusion may be made: C2, C3, C4, X1.
func (h *Host) admitPersistentLocked(b *block) error {
	return h.admitRangeLocked(h.spaces.of(b.protocol), b.rng)
}

// admitRangeLocked decides whether nothing of the host stands on r: overlap first, then in use.
func (h *Host) admitRangeLocked(space *portSpace, r Range) error {
	if space.blocks.Overlaps(r) {
		return &refusal{ErrInUse, space.conflictingBlock(r)}
	}
	if space.blocks.InUse(r) {
		return &refusal{ErrInUse, space.conflictingSocket(r)}
	}
	return nil
}

// admitEndLocked decides whether a persistent reservation or an exclusion may end, and finds it: C7, X2, A11, A16.
func (h *Host) admitEndLocked(want *block) (*block, error) {
	space := h.spaces.of(want.protocol)
	b, found := space.blocks.Get(want.rng)
	switch {
	case !found, b.kind == Runtime, b.deleting, !b.public.Load():
		return nil, &refusal{ErrNotFound, space.conflictingBlock(want.rng)}
	case want.kind == Exclusion && b.kind == Persistent:
		return nil, &refusal{h.policy.DeleteReservationAsExclusion, space.conflictingBlock(want.rng)}
	case b.kind != want.kind, b.store != want.store:
		return nil, &refusal{ErrNotFound, space.conflictingBlock(want.rng)}
	case b.kind == Persistent && !h.policy.DeleteBound && space.blocks.InUse(b.rng):
		return nil, &refusal{ErrInUse, space.conflictingSocket(b.rng)}
	}
	return b, nil
}

// admitRuntimeLocked decides which ports an acquire gets: Q2 to Q6, A4, A17, A20. A choice passes over
// the ports that choice says are bound by other sockets of the computer.
func (h *Host) admitRuntimeLocked(e *endpoint, request Request, choice *search) (Range, error) {
	space := h.spaces.of(e.protocol)
	switch {
	case e.closed.Load():
		return Range{}, ErrClosed
	case e.state != endpointOpen && !h.policy.AcquireBound:
		return Range{}, fmt.Errorf("%w: the endpoint is bound", ErrState)
	}
	if request.First != 0 {
		r, err := pool.RangeFrom(request.First, request.Count)
		if err != nil {
			return Range{}, err
		}
		if other := h.spaces.beside(e.protocol); h.policy.AcquireAcrossProtocols && other.blocks.Overlaps(r) {
			return Range{}, &refusal{ErrInUse, other.conflictingBlock(r)}
		}
		return r, h.admitRangeLocked(space, r)
	}
	search := pool.Search{Within: request.Within, Align: request.Align}
	if !search.Within.IsValid() {
		search.Within, search.From = space.dynamic, space.next
	}
	search.Avoid = choice.avoidLocked(search.Within)
	r, found := space.blocks.FindFree(request.Count, search)
	if !found {
		err := fmt.Errorf("%w: no %d consecutive ports are free in %s", h.policy.AcquireExhausted, request.Count, search.Within)
		return Range{}, &refusal{err, space.conflictIn(search.Within)}
	}
	if !request.Within.IsValid() {
		space.advance(r.Last())
	}
	return r, nil
}

// admitTokenLocked decides what a token means to an endpoint, for associate and release alike: S2, S5, A6,
// A21. A nil block without an error is a token that nobody alive has.
func (h *Host) admitTokenLocked(e *endpoint, token Token) (*block, error) {
	b := h.tokens[token]
	switch {
	case e.closed.Load():
		return nil, ErrClosed
	case b == nil || !b.public.Load() && b.owner != e:
		return nil, nil
	case b.protocol != e.protocol:
		return nil, fmt.Errorf("%w: the token is of a %s reservation, the endpoint is %s", h.policy.OtherProtocolToken, b.protocol, e.protocol)
	case b.kind == Runtime && b.owner.process != e.process:
		return nil, fmt.Errorf("%w: another process acquired the reservation", h.policy.ForeignToken)
	}
	return b, nil
}

// admitAssociateLocked decides whether an endpoint may draw from a block: S1, P4, A7.
func (h *Host) admitAssociateLocked(e *endpoint, b *block) error {
	switch {
	case e.state != endpointOpen:
		return fmt.Errorf("%w: the endpoint is bound; associate comes before bind", ErrState)
	case e.block != nil && !h.policy.AssociateAgain:
		return fmt.Errorf("%w: the endpoint is associated already", ErrState)
	case b.kind == Persistent && !e.process.caller.Elevated:
		return fmt.Errorf("%w: only an elevated administrator may bind from a persistent reservation", ErrDenied)
	}
	return nil
}

// admitReleaseLocked decides whether an endpoint may end a block: L3, A9, A10, A32.
func (h *Host) admitReleaseLocked(e *endpoint, b *block) error {
	space := h.spaces.of(b.protocol)
	switch {
	case b.kind == Persistent:
		return fmt.Errorf("%w: the reservation is persistent; delete it instead", h.policy.ReleasePersistent)
	case b.owner != e && !h.policy.ReleaseElsewhere:
		return fmt.Errorf("%w: another endpoint acquired the reservation", ErrInvalid)
	case !h.policy.ReleaseBound && space.blocks.InUse(b.rng):
		return &refusal{ErrInUse, space.conflictingSocket(b.rng)}
	}
	return nil
}

// admitBindLocked decides which port a bind claims: B1 to B9, A2, A3. A choice passes over the ports that
// choice says are bound by other sockets of the computer.
func (h *Host) admitBindLocked(e *endpoint, port uint16, choice *search) (uint16, error) {
	space := h.spaces.of(e.protocol)
	switch {
	case e.closed.Load():
		return 0, ErrClosed
	case e.state != endpointOpen:
		return 0, fmt.Errorf("%w: the endpoint is bound already", ErrState)
	case e.block != nil && e.block.ended:
		return 0, fmt.Errorf("%w: the reservation that the endpoint was associated with has ended", ErrNotFound)
	case e.block != nil && port == 0:
		free, found := space.unbound(e.block, choice.avoidLocked(e.block.rng))
		if !found {
			err := fmt.Errorf("%w: all %d ports of %s are bound", h.policy.BindExhausted, e.block.rng.Count(), e.block.rng)
			return 0, &refusal{err, space.conflictingSocket(e.block.rng)}
		}
		return free, nil
	case e.block != nil && e.block.rng.Contains(port):
		return port, nil
	case e.block != nil:
		return 0, h.refuseOutsideLocked(e, port)
	case port == 0:
		free, found := space.blocks.FindFree(1, pool.Search{
			Within: space.dynamic, From: space.next, Avoid: choice.avoidLocked(space.dynamic),
		})
		if !found {
			err := fmt.Errorf("%w: every port of the dynamic range %s is taken", ErrExhausted, space.dynamic)
			return 0, &refusal{err, space.conflictIn(space.dynamic)}
		}
		space.advance(free.First())
		return free.First(), nil
	}
	if _, b, held := space.blocks.At(port); held && b.kind != Exclusion {
		return 0, &refusal{ErrDenied, space.conflictingBlock(b.rng)}
	}
	return port, nil
}

func (h *Host) refuseOutsideLocked(e *endpoint, port uint16) error {
	space := h.spaces.of(e.protocol)
	if _, b, held := space.blocks.At(port); held {
		return &refusal{h.policy.BindOutsideForeign, space.conflictingBlock(b.rng)}
	}
	return fmt.Errorf("%w: port %d lies outside the associated block %s", h.policy.BindOutside, port, e.block.rng)
}

// checkRange is the argument check of every call on a range: C1.
func checkRange(protocol Protocol, r Range) error {
	switch {
	case !protocol.IsValid():
		return fmt.Errorf("%w: %s; want udp or tcp", ErrInvalid, protocol)
	case !r.IsValid():
		return fmt.Errorf("%w: the range holds no port", ErrInvalid)
	}
	return nil
}

// checkRequest is the argument check of acquire: Q1.
func checkRequest(request Request) error {
	switch {
	case request.Count < 1 || request.Count > pool.MaxPort:
		return fmt.Errorf("%w: a count of %d ports, want 1 to %d", ErrInvalid, request.Count, pool.MaxPort)
	case request.Align < 0 || request.Align > pool.MaxPort:
		return fmt.Errorf("%w: an alignment of %d, want 0 to %d", ErrInvalid, request.Align, pool.MaxPort)
	case request.First != 0 && (request.Align > 1 || request.Within.IsValid()):
		return fmt.Errorf("%w: Align and Within go with First 0 only", ErrInvalid)
	}
	if request.First != 0 {
		if _, err := pool.RangeFrom(request.First, request.Count); err != nil {
			return err
		}
	}
	return ValidateLabel(request.Label)
}
