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
			case b.kind == Runtime && (b.owner == nil || b.owner.closed.Load()):
				return fmt.Errorf("%s %s outlives its endpoint", protocol, r)
			case (b.kind == Exclusion) != (b.token == 0) && h.boot.ID != "":
				return fmt.Errorf("%s %s of kind %s has token %s", protocol, r, b.kind, b.token)
			case b.token != 0 && h.tokens[b.token] != b:
				return fmt.Errorf("%s %s is not found by its token", protocol, r)
			}
			if b.token != 0 {
				tokens++
			}
			previous = r
		}
		for port, b := range space.bound {
			if b.count < 1 || !space.blocks.InUse(pool.RangeOf(port)) {
				return fmt.Errorf("%s port %d is bound %d times, marked %t", protocol, port, b.count, space.blocks.InUse(pool.RangeOf(port)))
			}
		}
		if marks := len(space.boundIn(pool.AllPorts)); marks != len(space.bound) {
			return fmt.Errorf("%d ports of %s are marked in use, %d are bound", marks, protocol, len(space.bound))
		}
	}
	if tokens != len(h.tokens) {
		return fmt.Errorf("%d tokens name %d blocks", len(h.tokens), tokens)
	}
	return nil
}
