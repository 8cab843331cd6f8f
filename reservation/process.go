package reservation

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

// A Process is one caller of a host. It implements [API] and [Inspector] and is safe for concurrent
// use. Its runtime reservations are its own: no other process may use them.
type Process struct {
	host   *Host
	caller Caller
	closed atomic.Bool // changed under the host's mu

	endpoints []*endpoint // open ones, in no order; guarded by the host's mu
}

var (
	_ API       = (*Process)(nil)
	_ Inspector = (*Process)(nil)
)

// CreatePersistent implements [API].
//
// Source: https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-createpersistentudpportreservation
func (p *Process) CreatePersistent(ctx context.Context, protocol Protocol, r Range, label string) (Token, error) {
	b := &block{protocol: protocol, rng: r, kind: Persistent, label: label}
	if err := p.create(ctx, b); err != nil {
		return 0, fail("create", protocol, r, err)
	}
	return b.token, nil
}

// AddExclusion implements [API].
func (p *Process) AddExclusion(ctx context.Context, protocol Protocol, r Range, store ExclusionStore) error {
	return fail("exclude", protocol, r, p.create(ctx, &block{protocol: protocol, rng: r, kind: Exclusion, store: store}))
}

// create checks, commits, and checks again: between the first look at the computer's sockets and the
// end of the commit a stranger may have bound a port, for the kernel does not know of us.
func (p *Process) create(ctx context.Context, b *block) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	h := p.host
	arguments := checkRange(b.protocol, b.rng)
	if arguments == nil {
		arguments = ValidateLabel(b.label)
	}
	if arguments == nil && b.store > ActiveStore {
		arguments = fmt.Errorf("%w: %s; want the active or the persistent store", ErrInvalid, b.store)
	}
	if err := p.admitAdministrator(arguments); err != nil {
		return err
	}
	if err := h.current(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	err := h.admitPersistentLocked(b)
	h.mu.Unlock()
	if err == nil {
		err = h.admitSockets(ctx, b.protocol, b.rng)
	}
	if err == nil {
		b.created, b.serial = h.now().UTC(), h.draw()
		err = h.submit(ctx, h.creation(b))
	}
	if err != nil {
		return h.withNearest(ctx, b.protocol, b.rng, err)
	}
	// What is durable is taken back even if the caller has lost interest.
	ctx = context.WithoutCancel(ctx)
	if busy := h.admitSockets(ctx, b.protocol, b.rng); busy != nil {
		if err := h.submit(ctx, h.deletion(b)); err != nil {
			return fmt.Errorf("%w; the reservation was made and could not be taken back: %w", busy, err)
		}
		return h.withNearest(ctx, b.protocol, b.rng, busy)
	}
	return nil
}

// creation returns the change that makes b.
func (h *Host) creation(b *block) *change {
	return &change{
		prepare: func() ([]Edit, error) {
			if h.boot.ID == "" && b.kind == Persistent {
				return nil, h.refuseToken()
			}
			if err := h.admitPersistentLocked(b); err != nil {
				return nil, err
			}
			b.gone, b.ended = false, false
			if b.kind == Persistent {
				h.nameLocked(b)
			}
			h.insertLocked(b)
			return []Edit{{Op: EditPut, Record: b.record()}}, nil
		},
		settle: func(committed bool) {
			if committed {
				b.public.Store(true)
				return
			}
			h.removeLocked(b)
		},
	}
}

// deletion returns the change that ends the block which want describes.
func (h *Host) deletion(want *block) *change {
	var b *block
	return &change{
		prepare: func() (_ []Edit, err error) {
			if b, err = h.admitEndLocked(want); err != nil {
				return nil, err
			}
			b.deleting = true
			return []Edit{{Op: EditDelete, Record: b.record()}}, nil
		},
		settle: func(committed bool) {
			b.deleting = false
			if committed {
				h.removeLocked(b)
			}
		},
	}
}

func (b *block) record() Record {
	return Record{
		Protocol: b.protocol, Range: b.rng, Kind: b.kind, Store: b.store,
		Serial: b.serial, Label: b.label, Created: b.created,
	}
}

// LookupPersistent implements [API].
//
// Source: https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-lookuppersistentudpportreservation
func (p *Process) LookupPersistent(ctx context.Context, protocol Protocol, r Range) (Token, error) {
	token, err := p.lookup(ctx, protocol, r)
	if err != nil {
		return 0, fail("lookup", protocol, r, err)
	}
	return token, nil
}

func (p *Process) lookup(ctx context.Context, protocol Protocol, r Range) (Token, error) {
	if err := p.check(ctx); err != nil {
		return 0, err
	}
	if err := checkRange(protocol, r); err != nil {
		return 0, err
	}
	h := p.host
	if err := h.current(ctx); err != nil {
		return 0, err
	}
	b := h.spaces.of(protocol).starts.get(r.First())
	if b == nil || !b.isPersistent(r) {
		h.mu.Lock()
		defer h.mu.Unlock()
		// Another boot may have been taken over between the two looks.
		var found bool
		if b, found = h.spaces.of(protocol).blocks.Get(r); !found || !b.isPersistent(r) {
			return 0, &refusal{ErrNotFound, h.spaces.of(protocol).conflictingBlock(r)}
		}
	}
	if b.token == 0 {
		return 0, h.refuseToken()
	}
	return b.token, nil
}

func (b *block) isPersistent(r Range) bool {
	return b.kind == Persistent && b.rng == r && b.public.Load()
}

// refuseToken says why there are no tokens of persistent reservations.
func (h *Host) refuseToken() error {
	return fmt.Errorf("%w: the tokens of this boot are unknown: either no program that may write the store has run since the computer started, or another boot has begun in it since", ErrDenied)
}

// DeletePersistent implements [API].
//
// Source: https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-deletepersistentudpportreservation
func (p *Process) DeletePersistent(ctx context.Context, protocol Protocol, r Range) error {
	return fail("delete", protocol, r, p.end(ctx, &block{protocol: protocol, rng: r, kind: Persistent}))
}

// DeleteExclusion implements [API].
func (p *Process) DeleteExclusion(ctx context.Context, protocol Protocol, r Range, store ExclusionStore) error {
	return fail("delete exclusion", protocol, r, p.end(ctx, &block{protocol: protocol, rng: r, kind: Exclusion, store: store}))
}

func (p *Process) end(ctx context.Context, want *block) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	if err := p.admitAdministrator(checkRange(want.protocol, want.rng)); err != nil {
		return err
	}
	if err := p.host.current(ctx); err != nil { // the block may be another host's
		return err
	}
	return p.host.submit(ctx, p.host.deletion(want))
}

// Dynamic returns the range that automatic assignment draws from.
func (p *Process) Dynamic(ctx context.Context, protocol Protocol) (Range, error) {
	r, err := p.dynamic(ctx, protocol)
	return r, fail("dynamic range", protocol, Range{}, err)
}

func (p *Process) dynamic(ctx context.Context, protocol Protocol) (Range, error) {
	if err := p.check(ctx); err != nil {
		return Range{}, err
	}
	if err := checkRange(protocol, pool.AllPorts); err != nil {
		return Range{}, err
	}
	if err := p.host.current(ctx); err != nil {
		return Range{}, err
	}
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.host.spaces.of(protocol).dynamic, nil
}

// SetDynamic sets, durably, the range that automatic assignment draws from: at least 255 ports, none
// below 1025. It returns ErrInvalid, or ErrDenied if the caller is not elevated.
func (p *Process) SetDynamic(ctx context.Context, protocol Protocol, r Range) error {
	return fail("set dynamic range", protocol, r, p.setDynamic(ctx, protocol, r))
}

func (p *Process) setDynamic(ctx context.Context, protocol Protocol, r Range) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	arguments := checkRange(protocol, r)
	if arguments == nil {
		arguments = ValidateDynamic(r)
	}
	if err := p.admitAdministrator(arguments); err != nil {
		return err
	}
	return p.host.submit(ctx, &change{
		prepare: func() ([]Edit, error) {
			return []Edit{{Op: EditDynamic, Record: Record{Protocol: protocol, Range: r}}}, nil
		},
		settle: func(committed bool) {
			if space := p.host.spaces.of(protocol); committed {
				space.dynamic = r
				space.advance(space.next - 1)
			}
		},
	})
}

// Open implements [API].
func (p *Process) Open(ctx context.Context, protocol Protocol) (Endpoint, error) {
	if err := p.check(ctx); err != nil {
		return nil, fail("open", protocol, Range{}, err)
	}
	if err := checkRange(protocol, pool.AllPorts); err != nil {
		return nil, fail("open", 0, Range{}, err)
	}
	e := &endpoint{process: p, protocol: protocol}
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.closed.Load() {
		return nil, fail("open", protocol, Range{}, ErrClosed)
	}
	e.place = len(p.endpoints)
	p.endpoints = append(p.endpoints, e)
	return e, nil
}

// Close implements [API].
func (p *Process) Close() error {
	p.host.mu.Lock()
	var left ending
	p.closeLocked(&left)
	p.host.mu.Unlock()
	p.host.finish(left)
	return nil
}

func (p *Process) closeLocked(left *ending) {
	p.closed.Store(true)
	for len(p.endpoints) > 0 {
		p.endpoints[len(p.endpoints)-1].closeLocked(left)
	}
	delete(p.host.processes, p)
	p.host.noticeLocked()
}

// forgetLocked takes a closed endpoint out of the open ones.
func (p *Process) forgetLocked(e *endpoint) {
	last := len(p.endpoints) - 1
	p.endpoints[e.place] = p.endpoints[last]
	p.endpoints[e.place].place = e.place
	p.endpoints[last] = nil
	p.endpoints = p.endpoints[:last]
}

func (p *Process) check(ctx context.Context) error {
	if p.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}
