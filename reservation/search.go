package reservation

import (
	"context"
	"errors"
	"slices"

	"github.com/berthkit/berth/pool"
)

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
