package reservation

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/berthkit/berth/pool"
)

// List implements [Inspector].
func (p *Process) List(ctx context.Context, protocol Protocol) ([]Block, error) {
	blocks, err := p.list(ctx, protocol)
	return blocks, fail("list", protocol, Range{}, err)
}

func (p *Process) list(ctx context.Context, only Protocol) ([]Block, error) {
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	if only != 0 && !only.IsValid() {
		return nil, checkRange(only, pool.AllPorts)
	}
	view, err := p.host.view(ctx)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, protocol := range pool.Protocols() {
		if only == 0 || only == protocol {
			blocks = append(blocks, p.host.show(view, protocol, pool.AllPorts)...)
		}
	}
	return blocks, nil
}

// show returns the public blocks of a snapshot that overlap r, with the ports bound now.
func (h *Host) show(view *snapshot, protocol Protocol, r Range) []Block {
	var blocks []Block
	for _, b := range h.shown(view, protocol, r) {
		blocks = append(blocks, b)
	}
	return blocks
}

// shown yields the blocks of show by what they are in the engine.
func (h *Host) shown(view *snapshot, protocol Protocol, r Range) iter.Seq2[*block, Block] {
	h.mu.Lock()
	bound := h.spaces.of(protocol).boundIn(r)
	h.mu.Unlock()
	return func(yield func(*block, Block) bool) {
		for _, b := range view.blocks[protocol].Overlapping(r) {
			if !b.public.Load() {
				continue
			}
			low, _ := slices.BinarySearch(bound, b.rng.First())
			high, exact := slices.BinarySearch(bound, b.rng.Last())
			if exact {
				high++
			}
			if !yield(b, b.describe(high-low)) {
				return
			}
		}
	}
}

// Explain implements [Inspector].
func (p *Process) Explain(ctx context.Context, protocol Protocol, r Range) (*Explanation, error) {
	explanation, err := p.explain(ctx, protocol, r)
	return explanation, fail("explain", protocol, r, err)
}

func (p *Process) explain(ctx context.Context, protocol Protocol, r Range) (*Explanation, error) {
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	if err := checkRange(protocol, r); err != nil {
		return nil, err
	}
	h := p.host
	view, err := h.view(ctx)
	if err != nil {
		return nil, err
	}
	holders, err := h.holders(ctx, protocol, r)
	if err != nil {
		return nil, err
	}
	return &Explanation{
		Protocol: protocol,
		Range:    r,
		Blocks:   h.show(view, protocol, r),
		InUse:    holders,
		Nearest:  h.nearest(ctx, protocol, r),
	}, nil
}

// holders returns who has bound the ports of r: the computer's sockets and those of the host, which
// the computer may know as well.
func (h *Host) holders(ctx context.Context, protocol Protocol, r Range) ([]Holder, error) {
	var holders []Holder
	if h.ports != nil {
		var err error
		if holders, err = h.ports.Holders(ctx, protocol, r); err != nil {
			return nil, fmt.Errorf("ask the system who has bound the ports: %w", err)
		}
		holders = h.withoutKept(protocol, holders)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	space := h.spaces.of(protocol)
	for _, port := range space.boundIn(r) {
		known := false
		for i := range holders {
			if holders[i].Port == port && holders[i].PID == space.bound.of(port).owner.caller.PID {
				holders[i].Ours, known = true, true
			}
		}
		if !known {
			holders = append(holders, space.holder(port))
		}
	}
	slices.SortStableFunc(holders, compareHolders)
	return holders, nil
}

// Free implements [Inspector].
func (p *Process) Free(ctx context.Context, protocol Protocol, count int, search pool.Search) (Range, error) {
	r, err := p.free(ctx, protocol, count, search)
	return r, fail("find", protocol, Range{}, err)
}

func (p *Process) free(ctx context.Context, protocol Protocol, count int, search pool.Search) (Range, error) {
	if err := p.check(ctx); err != nil {
		return Range{}, err
	}
	within := search.Within
	if !within.IsValid() {
		within = pool.AllPorts
	}
	if err := checkRange(protocol, within); err != nil {
		return Range{}, err
	}
	if err := checkRequest(Request{Count: count, Align: search.Align}); err != nil {
		return Range{}, err
	}
	h := p.host
	if err := h.current(ctx); err != nil {
		return Range{}, err
	}
	ports, err := h.socketsIn(ctx, protocol, within)
	if err != nil {
		return Range{}, err
	}
	search.Avoid = append(slices.Clone(search.Avoid), setOf(ports))
	h.mu.Lock()
	defer h.mu.Unlock()
	r, found := h.spaces.of(protocol).blocks.FindFree(count, search)
	if !found {
		return Range{}, fmt.Errorf("%w: no %d consecutive ports are free in %s", ErrExhausted, count, within)
	}
	return r, nil
}
