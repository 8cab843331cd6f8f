package reservation

import (
	"fmt"

	"github.com/berthkit/berth/pool"
)

// CheckInvariants reports what does not hold in h: the tests call it at the end of each.
func (h *Host) CheckInvariants() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	tokens := 0
	for _, space := range h.spaces {
		protocol := space.protocol
		var previous Range
		for r, b := range space.blocks.All() {
			switch {
			case b.protocol != protocol || b.rng != r:
				return fmt.Errorf("%s %s is kept as %s %s", b.protocol, b.rng, protocol, r)
			case previous.IsValid() && r.First() <= previous.Last():
				return fmt.Errorf("%s %s overlaps %s", protocol, r, previous)
			case b.gone:
				return fmt.Errorf("%s %s is gone and still in the pool", protocol, r)
			case b.kind == Runtime && (b.owner == nil || b.owner.closed.Load() && b.public.Load() && !b.ended):
				return fmt.Errorf("%s %s outlives its endpoint", protocol, r)
			case (b.kind == Exclusion) != (b.token == 0) && h.boot.ID != "":
				return fmt.Errorf("%s %s of kind %s has token %s", protocol, r, b.kind, b.token)
			case b.token != 0 && (h.tokens[b.token] == b) == b.ended:
				return fmt.Errorf("%s %s is not found by its token", protocol, r)
			}
			if b.token != 0 && !b.ended {
				tokens++
			}
			previous = r
		}
		for number, page := range space.bound {
			if page == nil {
				continue
			}
			for offset := range page {
				port, b := uint16(number<<8|offset), page[offset]
				if marked := space.blocks.InUse(pool.RangeOf(port)); marked != (b.count > 0) || marked != (b.owner != nil) {
					return fmt.Errorf("%s port %d is bound %d times by %v, marked %t", protocol, port, b.count, b.owner, marked)
				}
			}
		}
		for _, port := range space.boundIn(pool.AllPorts) {
			if space.bound.of(port).count == 0 {
				return fmt.Errorf("%s port %d is marked in use and not bound", protocol, port)
			}
		}
	}
	if tokens != len(h.tokens) {
		return fmt.Errorf("%d tokens name %d blocks", len(h.tokens), tokens)
	}
	return nil
}

// Watches returns how many watches are registered.
func (h *Host) Watches() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watches)
}
