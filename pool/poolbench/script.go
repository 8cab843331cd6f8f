package poolbench

import (
	"math/rand/v2"

	"github.com/berthkit/berth/pool"
)

// A script makes up random calls. It looks at the oracles and never at the core, so a seed makes the
// same calls for every core that has the same methods.
type script struct {
	random  *rand.Rand
	methods abilities
	checks  bool   // the core is a Checker
	pending []call // to be made first

	left  int // calls until the next phase
	width int // of blocks and questions, at most
	grow  int // percent of the changes that insert
}

// phaseCalls is how many calls are made of one kind of blocks.
const phaseCalls = 15_000

func newScript(seed uint64, core Core) *script {
	_, checks := core.(Checker)
	return &script{random: rand.New(rand.NewPCG(seed, seed)), methods: abilitiesOf(core), checks: checks}
}

// next returns the next call, which is allowed.
func (s *script) next(d *duel) call {
	if s.left == 0 {
		s.left = phaseCalls
		s.width = [...]int{1, 3, 40, 600, pool.MaxPort}[s.random.IntN(5)]
		s.grow = [...]int{0, 45, 60, 80, 95}[s.random.IntN(5)]
	}
	s.left--
	if len(s.pending) > 0 {
		c := s.pending[0]
		s.pending = s.pending[1:]
		return c
	}
	c := s.invent(d)
	if !d.allows(c) {
		c.method = methodOverlaps
	}
	return c
}

func (s *script) invent(d *duel) call {
	c := call{on: s.copy(d)}
	o := d.oracles[c.on]
	switch p := s.random.IntN(10_000); {
	case p < 4000:
		return s.change(c, o)
	case p < 5500 && s.methods&naming != 0:
		c.method = methodWho
	case p < 5800 && s.methods&finding != 0:
		return s.search(c, o)
	case p < 5810 && s.methods&cloning != 0:
		return call{method: methodClone, on: c.on, to: 1 + s.random.IntN(maxCopies-1)}
	case p < 5820:
		s.inspect(c.on, o, 64)
		c.method = methodOverlaps
	default:
		c.method = methodOverlaps
	}
	c.r = s.place(o)
	return c
}

// copy picks a copy that is there.
func (s *script) copy(d *duel) int {
	for {
		if on := s.random.IntN(maxCopies); d.oracles[on] != nil {
			return on
		}
	}
}

// change returns an insertion, cut so that it fits, or a deletion.
func (s *script) change(c call, o *oracle) call {
	if len(o.blocks) > 0 && s.random.IntN(100) >= s.grow {
		c.method, c.r = methodDelete, o.blocks[s.random.IntN(len(o.blocks))]
		return c
	}
	c.method, c.r = methodInsert, s.place(o)
	width := 0
	for port := range c.r.Ports() {
		if o.isTaken(port) {
			break
		}
		width++
	}
	if width > 0 {
		c.r = span(int(c.r.First()), width)
	}
	return c
}

func (s *script) search(c call, o *oracle) call {
	c.method, c.r = methodFindFree, pool.AllPorts
	if s.random.IntN(8) > 0 {
		c.r = s.place(o)
	}
	c.count = 1 + s.random.IntN(min(c.r.Count()+1, pool.MaxPort))
	if s.random.IntN(2) > 0 {
		c.count = 1 + s.random.IntN(4)
	}
	c.align = [...]int{1, 1, 2, 2, 3, 4, 64, 1000}[s.random.IntN(8)]
	return c
}

// place returns a range at a place where mistakes are made: at the end of a block, of a word, of the
// ports; or anywhere.
func (s *script) place(o *oracle) pool.Range {
	port := 1 + s.random.IntN(pool.MaxPort)
	switch s.random.IntN(8) {
	case 0, 1, 2:
		if len(o.blocks) > 0 {
			block := o.blocks[s.random.IntN(len(o.blocks))]
			port = [...]int{int(block.First()) - 1, int(block.First()), int(block.Last()), int(block.Last()) + 1}[s.random.IntN(4)]
		}
	case 3:
		port = port/64*64 + s.random.IntN(3) - 1
	case 4:
		port = [...]int{1, 2, pool.MaxPort - 1, pool.MaxPort}[s.random.IntN(4)]
	}
	port = min(max(1, port), pool.MaxPort)
	width := 1 + s.random.IntN(s.width)
	if s.random.IntN(4) > 0 {
		width = min(width, 1+s.random.IntN(64)) // wide ones are rare: the oracle is slow
	}
	if s.random.IntN(2) == 0 {
		return span(port, min(width, pool.MaxPort-port+1))
	}
	first := max(1, port-width+1)
	return span(first, port-first+1)
}

// inspect asks for everything that must hold of up to count blocks, and of the whole.
func (s *script) inspect(on int, o *oracle, count int) {
	ask := func(r pool.Range) {
		s.pending = append(s.pending, call{method: methodOverlaps, on: on, r: r})
		if s.methods&naming != 0 {
			s.pending = append(s.pending, call{method: methodWho, on: on, r: r})
		}
	}
	for range min(count, len(o.blocks)) {
		block := o.blocks[s.random.IntN(len(o.blocks))]
		s.neighbourhood(block, ask)
	}
	ask(pool.AllPorts)
	if s.checks {
		s.pending = append(s.pending, call{method: methodCheck, on: on})
	}
}

// neighbourhood asks for a block, its ends, and the ports beside them.
func (s *script) neighbourhood(block pool.Range, ask func(pool.Range)) {
	first, last := block.First(), block.Last()
	ask(block)
	ask(pool.RangeOf(first))
	ask(pool.RangeOf(last))
	if first > 1 {
		ask(pool.RangeOf(first - 1))
	}
	if last < pool.MaxPort {
		ask(pool.RangeOf(last + 1))
	}
}
