package reservation

import (
	"context"
	"slices"
)

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
