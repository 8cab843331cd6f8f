package reservation

import (
	"context"
	"time"

	"github.com/berthkit/berth/pool"
)

// triesBeforeLook is after how many ports tried in vain a search looks at the system's sockets: to read
// their table takes as long as so many binds or more.
const triesBeforeLook = 4

// A search is one call's choice of ports where that is left to the engine. First it passes over the
// strangers that the host remembers. If nothing is left then, it looks at the system's sockets itself,
// and only what it sees there can end it.
type search struct {
	host     *Host
	protocol Protocol
	now      time.Time // when it began

	within  Range            // where it chooses; zero until it has
	avoid   [2]*pool.PortSet // what the last choice passed over; nil if nothing
	avoided bool             // whether any of that was among what it could have chosen
	tried   *pool.PortSet    // found taken by this search; nil if none
	tries   int              // in vain
	seen    *pool.PortSet    // by its own look, once it has decided; shared
	decided bool             // what is remembered no longer counts
	began   uint64           // the number of the last look that had ended when it first chose
	chose   uint64           // the number of the last look that had begun when it last chose
}

// newSearch prepares the choice of an acquire. A keeper finds out who is in the way by trying; without
// one the computer's sockets are looked at first.
func (h *Host) newSearch(ctx context.Context, protocol Protocol, request Request) (*search, error) {
	s := &search{host: h, protocol: protocol, now: h.now()}
	if request.First != 0 || h.keeper != nil {
		return s, nil
	}
	if s.within = request.Within; !s.within.IsValid() {
		h.mu.Lock()
		s.within = h.spaces.of(protocol).dynamic
		h.mu.Unlock()
	}
	ports, err := h.socketsIn(ctx, protocol, s.within)
	s.seen, s.decided = setOf(ports), true
	return s, err
}

// avoidLocked returns what a choice among the ports of within is to pass over.
func (s *search) avoidLocked(within Range) []*pool.PortSet {
	others := &s.host.spaces.of(s.protocol).strangers
	if s.chose = others.looks; !s.within.IsValid() {
		s.began = s.chose
		if others.isLooking() {
			s.began-- // what others are reading is new enough to go on with
		}
	}
	s.within = within
	s.avoid = [2]*pool.PortSet{s.seen, s.tried}
	if !s.decided {
		s.avoid[0] = others.known(s.now)
	}
	s.avoided = s.tried != nil || s.avoid[0] != nil && s.avoid[0].Overlaps(within)
	return s.avoid[:]
}

// passOver goes on without the ports of r, of which somebody else has one.
func (s *search) passOver(ctx context.Context, r Range) {
	if s.tried == nil {
		s.tried = new(pool.PortSet)
	}
	s.tried.Add(r)
	s.tries++
	if r.Count() == 1 {
		s.host.remember(s.protocol, r.First(), s.now)
	}
	if s.tries == triesBeforeLook && !s.decided {
		s.look(ctx, s.began) // the host remembers what it sees
	}
}

// look returns what others have, as it was after the look with that number had begun, nil if the system
// does not tell: each port will be tried then.
func (s *search) look(ctx context.Context, after uint64) *pool.PortSet {
	seen, err := s.host.strangersIn(ctx, s.protocol, s.within, after)
	if err == nil {
		return seen
	}
	if ctx.Err() == nil {
		s.host.log.Warn("cannot tell which ports are bound; each will be tried", "protocol", s.protocol, "error", err)
	}
	return nil
}

// refuse decides what becomes of a choice that err says has failed: it returns nil if it is to be made
// once more, the error that ends the call otherwise. A refusal says that there was nothing to choose.
func (s *search) refuse(ctx context.Context, err error) error {
	refused, nothing := err.(*refusal)
	switch {
	case !nothing:
		return err
	case s.decided || !s.avoided:
		return s.withObstacle(ctx, refused)
	}
	s.seen, s.decided = s.look(ctx, s.chose), true
	if s.seen != nil {
		s.tried = nil // what was tried before is older
	}
	return ctx.Err()
}

// withObstacle says in the refusal of a search which of the computer's sockets are in the way.
func (s *search) withObstacle(ctx context.Context, refused *refusal) error {
	strangers, lowest := countIn(s.within, s.seen, s.tried)
	if strangers == 0 || s.host.ports == nil {
		return refused
	}
	others := strangers - 1
	if refused.conflict != nil {
		others += 1 + refused.conflict.Others
	}
	refused.conflict = &Conflict{Socket: s.host.ownerOf(ctx, s.protocol, lowest), Others: others}
	return refused
}
