package reservation

import (
	"context"
	"errors"
	"fmt"

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
		b, err := e.claim(request, search)
		if err != nil {
			if request.First == 0 {
				err = search.refuse(ctx, err)
			}
			if err != nil {
				return nil, err
			}
			continue
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
		search.passOver(ctx, portOf(err, b.rng))
	}
}

// claim puts a block into the pool that nobody sees yet.
func (e *endpoint) claim(request Request, search *search) (*block, error) {
	h := e.process.host
	b := &block{protocol: e.protocol, kind: Runtime, label: request.Label, created: search.now.UTC(), serial: h.draw(), owner: e}
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if b.rng, err = h.admitRuntimeLocked(e, request, search); err != nil {
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
	var tried pool.PortSet
	tried.Add(pool.RangeOf(port))
	seen, _ := h.strangersNow(ctx, b.protocol, b.rng)
	taken, _ := countIn(b.rng, &tried, seen)
	return &refusal{err, &Conflict{Socket: h.ownerOf(ctx, b.protocol, port), Others: taken - 1}}
}
