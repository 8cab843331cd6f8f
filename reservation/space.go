package reservation

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/berthkit/berth/pool"
)

// A portSpace is the ports of one protocol. The host's mu guards it.
type portSpace struct {
	protocol  Protocol
	blocks    *pool.Pool[*block] // also marks the ports in bound as in use
	starts    startIndex         // the same blocks by first port, for readers without mu
	bound     bindings
	dynamic   Range
	initial   Range  // the dynamic range unless the journal sets one
	next      uint16 // where the next automatic assignment starts to look
	strangers strangers
	hidden    []Record // records of other hosts that overlap a runtime block of ours, until that is gone
}

// portSpaces are those of both protocols: an array, since every call looks one up.
type portSpaces [2]*portSpace

func indexOf(protocol Protocol) int {
	if protocol == TCP {
		return 0
	}
	return 1
}

func (s *portSpaces) of(protocol Protocol) *portSpace     { return s[indexOf(protocol)] }
func (s *portSpaces) beside(protocol Protocol) *portSpace { return s[1-indexOf(protocol)] }

// A block is a range that somebody holds, in the engine. Its fields never change, except those that
// say so.
type block struct {
	protocol Protocol
	rng      Range
	kind     Kind
	store    ExclusionStore
	label    string
	created  time.Time
	serial   uint64
	token    Token     // 0 for an exclusion and where the boot's secret is unknown
	owner    *endpoint // of a runtime block

	// public is false while a block is claimed, but not yet durable or not yet checked against the
	// computer's sockets: it keeps others away and is shown to nobody.
	public atomic.Bool

	kept     KeptBlock // guarded by mu, set before public: what keeps the ports of a runtime block; nil if nothing does
	deleting bool      // guarded by mu: its deletion is being committed
	ended    bool      // guarded by mu: its token is dead, and nobody may bind from it any more
	gone     bool      // guarded by mu: it is no longer in the pool
}

// A binding is a port that endpoints of this host have bound, or try to.
type binding struct {
	count int      // endpoints; 0 if none
	owner *Process // the first of them
}

// bindings has a binding for every port. A page is made when one of its ports is first bound.
type bindings [256]*[256]binding

func (b *bindings) of(port uint16) *binding {
	page := b[port>>8]
	if page == nil {
		page = new([256]binding)
		b[port>>8] = page
	}
	return &page[port&0xff]
}

// A startIndex finds a block by its first port. Anybody may read it; only a holder of mu writes.
type startIndex [256]atomic.Pointer[[256]atomic.Pointer[block]]

func (s *startIndex) get(first uint16) *block {
	if page := s[first>>8].Load(); page != nil {
		return page[first&0xff].Load()
	}
	return nil
}

func (s *startIndex) put(first uint16, b *block) {
	page := s[first>>8].Load()
	if page == nil {
		page = new([256]atomic.Pointer[block])
		s[first>>8].Store(page)
	}
	page[first&0xff].Store(b)
}

func newPortSpace(protocol Protocol, dynamic Range) *portSpace {
	return &portSpace{
		protocol: protocol,
		blocks:   pool.New[*block](),
		dynamic:  dynamic,
		initial:  dynamic,
	}
}

func (s *portSpace) claimPort(port uint16, by *Process) {
	b := s.bound.of(port)
	if b.count == 0 {
		b.owner = by
		s.blocks.MarkInUse(pool.RangeOf(port))
		s.strangers.own(pool.RangeOf(port))
	}
	b.count++
}

func (s *portSpace) givePortBack(port uint16) {
	b := s.bound.of(port)
	if b.count--; b.count == 0 {
		b.owner = nil
		s.blocks.ClearInUse(pool.RangeOf(port))
	}
}

// hides reports whether a record of another host overlaps r and has to wait.
func (s *portSpace) hides(r Range) bool {
	return slices.ContainsFunc(s.hidden, func(record Record) bool { return record.Range.Overlaps(r) })
}

// describe returns the block as outsiders see it.
func (b *block) describe(bound int) Block {
	shown := Block{
		Protocol: b.protocol, Range: b.rng, Kind: b.kind, Store: b.store,
		Label: b.label, Created: b.created, Bound: bound,
	}
	if b.owner != nil {
		shown.PID, shown.Program = b.owner.process.caller.PID, b.owner.process.caller.Program
	}
	return shown
}

// insertLocked puts a block into its pool. It returns false, and changes nothing, if it overlaps another.
func (h *Host) insertLocked(b *block) bool {
	space := h.spaces.of(b.protocol)
	if !space.blocks.Insert(b.rng, b) {
		return false
	}
	space.starts.put(b.rng.First(), b)
	if b.kind == Runtime && h.keeper != nil {
		space.strangers.own(b.rng)
	}
	if b.token != 0 {
		h.tokens[b.token] = b
	}
	h.published.Store(nil)
	return true
}

// removeLocked takes a block out of its pool. Endpoints that are bound from it keep their ports.
func (h *Host) removeLocked(b *block) {
	if b.gone {
		return
	}
	h.disownLocked(b)
	b.gone = true
	space := h.spaces.of(b.protocol)
	space.blocks.Delete(b.rng)
	space.starts.put(b.rng.First(), nil)
	h.published.Store(nil)
	h.unhideLocked(space)
	h.noticeLocked()
}

// disownLocked makes the token of a block worthless. The block stays in its pool.
func (h *Host) disownLocked(b *block) {
	b.ended = true
	if h.tokens[b.token] == b {
		delete(h.tokens, b.token)
	}
}

// nameLocked gives b its token. Its serial counts on in the (in practice unseen) case that somebody
// alive has that token.
func (h *Host) nameLocked(b *block) {
	for {
		b.token = h.maker.token(b.protocol, b.rng, b.serial)
		if h.tokens[b.token] == nil {
			return
		}
		b.serial++
	}
}
