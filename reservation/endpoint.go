package reservation

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

// An endpoint is the engine's half of one socket. The host's mu guards its changing fields.
type endpoint struct {
	process  *Process
	protocol Protocol

	closed atomic.Bool // changed under mu
	place  int         // in the process's endpoints
	state  endpointState
	block  *block   // associated with
	held   []*block // runtime reservations that it acquired
	port   uint16   // claimed or bound, 0 if none
}

type endpointState uint8

const (
	endpointOpen    endpointState = iota
	endpointBinding               // a bind is on its way and holds no lock
	endpointBound
)

var _ KeptEndpoint = (*endpoint)(nil)

// Associate implements [Endpoint].
//
// Source: https://learn.microsoft.com/windows/win32/winsock/sio-associate-port-reservation
func (e *endpoint) Associate(ctx context.Context, token Token) error {
	return fail("associate", e.protocol, Range{}, e.withToken(ctx, token, func(b *block) error {
		if err := e.process.host.admitAssociateLocked(e, b); err != nil {
			return err
		}
		e.block = b
		return nil
	}))
}

// withToken finds the block of a token and lets do act on it under mu.
func (e *endpoint) withToken(ctx context.Context, token Token, do func(*block) error) error {
	if err := e.check(ctx); err != nil {
		return err
	}
	h := e.process.host
	if err := h.currentBut(ctx, func() *block { return h.tokens[token] }); err != nil {
		return err
	}
	known, err := func() (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		b, err := h.admitTokenLocked(e, token)
		if err != nil || b == nil {
			return err != nil, err
		}
		return true, do(b)
	}()
	switch {
	case known:
		return err
	case token == 0:
		return fmt.Errorf("%w: token 0 names nothing", ErrNotFound)
	case h.publish().isStale(token):
		return fmt.Errorf("%w; look the reservation up again", ErrTokenStale)
	}
	return fmt.Errorf("%w: no reservation has this token", ErrNotFound)
}

// Bind implements [Endpoint].
func (e *endpoint) Bind(ctx context.Context, port uint16, try TryBind) (uint16, error) {
	bound, err := e.bind(ctx, port, try)
	return bound, fail("bind", e.protocol, pool.RangeOf(port), err)
}

func (e *endpoint) bind(ctx context.Context, port uint16, try TryBind) (uint16, error) {
	if err := e.check(ctx); err != nil {
		return 0, err
	}
	h := e.process.host
	if err := h.currentBut(ctx, func() *block { return e.block }); err != nil {
		return 0, err
	}
	choice := &search{host: h, protocol: e.protocol}
	if port == 0 {
		choice.now = h.now()
	}
	for {
		claimed, err := e.claimPort(port, choice)
		if err != nil {
			if port == 0 {
				err = choice.refuse(ctx, err)
			}
			if err != nil {
				return 0, err
			}
			continue
		}
		err = e.tryPort(claimed, try)
		taken := errors.Is(err, ErrInUse)
		switch {
		case err == nil:
			return claimed, nil
		case taken && ctx.Err() != nil:
			return 0, ctx.Err()
		case taken && port != 0:
			return 0, h.nameStranger(ctx, e.protocol, port, err)
		case !taken:
			return 0, err
		}
		choice.passOver(ctx, pool.RangeOf(claimed))
	}
}

// claimPort decides which port to try and keeps others from it.
func (e *endpoint) claimPort(port uint16, choice *search) (uint16, error) {
	h := e.process.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.block != nil && e.block.kept != nil {
		choice.decided = true // the keeper has the ports, so no stranger has
	}
	claimed, err := h.admitBindLocked(e, port, choice)
	if err != nil {
		return 0, err
	}
	e.state, e.port = endpointBinding, claimed
	h.spaces.of(e.protocol).claimPort(claimed, e.process)
	return claimed, nil
}

// tryPort lets try bind the real socket, without a lock, and keeps or undoes the claim; it undoes it
// as well when try panics.
func (e *endpoint) tryPort(port uint16, try TryBind) (err error) {
	bound := false
	defer func() {
		if closed := e.endBind(port, bound); closed != nil {
			err = closed
		}
	}()
	if try != nil {
		if _, err := try(port); err != nil {
			return err
		}
	}
	bound = true
	return nil
}

// endBind keeps or undoes the claim of a port. It returns ErrClosed if the endpoint was closed while
// the bind was on its way: the caller then closes the socket that it may have bound.
func (e *endpoint) endBind(port uint16, keep bool) error {
	h := e.process.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if keep && !e.closed.Load() {
		e.state = endpointBound
		return nil
	}
	h.spaces.of(e.protocol).givePortBack(port)
	e.state, e.port = endpointOpen, 0
	if e.closed.Load() {
		return ErrClosed
	}
	return nil
}

// nameStranger adds to the error of a bind who has the port.
func (h *Host) nameStranger(ctx context.Context, protocol Protocol, port uint16, err error) error {
	if h.ports == nil {
		return err
	}
	return &refusal{err, &Conflict{Socket: h.ownerOf(ctx, protocol, port)}}
}

// Kept implements [KeptEndpoint].
func (e *endpoint) Kept() KeptBlock {
	h := e.process.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.block == nil {
		return nil
	}
	return e.block.kept
}

// Close implements [Endpoint].
func (e *endpoint) Close() error {
	h := e.process.host
	h.mu.Lock()
	var left ending
	e.closeLocked(&left)
	h.mu.Unlock()
	h.finish(left)
	return nil
}

func (e *endpoint) closeLocked(left *ending) {
	if e.closed.Load() {
		return
	}
	e.closed.Store(true)
	h := e.process.host
	if e.state == endpointBound { // a bind on its way gives its claim back itself
		h.spaces.of(e.protocol).givePortBack(e.port)
		e.port = 0
	}
	for _, b := range e.held {
		if b.public.Load() { // an acquire on its way undoes its claim itself
			h.endLocked(b, left)
		}
	}
	e.held = nil
	e.process.forgetLocked(e)
}

func (e *endpoint) check(ctx context.Context) error {
	if err := e.process.check(ctx); err != nil {
		return err
	}
	if e.closed.Load() {
		return ErrClosed
	}
	return nil
}
