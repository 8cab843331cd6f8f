package poolbench

import (
	"fmt"

	"github.com/berthkit/berth/pool"
)

// A method is one of a core's.
type method uint8

const (
	methodInsert method = iota
	methodDelete
	methodOverlaps
	methodWho
	methodFindFree
	methodClone
	methodCheck
)

// A call is one call on a core or on one of its clones.
type call struct {
	method method
	on     int        // which copy of the core: 0 is the first one
	to     int        // of methodClone: which copy it becomes
	r      pool.Range // the argument; of methodFindFree where to search
	count  int        // of methodFindFree
	align  int        // of methodFindFree
}

// changes reports whether the call changes what the copies hold.
func (c call) changes() bool {
	return c.method == methodInsert || c.method == methodDelete || c.method == methodClone
}

func (c call) String() string {
	text := ""
	if c.on > 0 {
		text = fmt.Sprintf("copy%d.", c.on)
	}
	switch c.method {
	case methodInsert:
		return fmt.Sprintf("%sInsert(%s)", text, c.r)
	case methodDelete:
		return fmt.Sprintf("%sDelete(%s)", text, c.r)
	case methodOverlaps:
		return fmt.Sprintf("%sOverlaps(%s)", text, c.r)
	case methodWho:
		return fmt.Sprintf("%sWho(%s)", text, c.r)
	case methodFindFree:
		return fmt.Sprintf("%sFindFree(%d, %s, %d)", text, c.count, c.r, c.align)
	case methodClone:
		return fmt.Sprintf("copy%d = %sClone()", c.to, text)
	}
	return text + "Check()"
}

// maxCopies is how many copies of a core there are at once. Copy 0 is never replaced by another.
const maxCopies = 4

// A duel is a core and its copies beside an oracle each.
type duel struct {
	cores   [maxCopies]Core // nil if the duel is of oracles alone
	oracles [maxCopies]*oracle
}

func newDuel(core Core) *duel {
	d := new(duel)
	d.cores[0], d.oracles[0] = core, newOracle()
	return d
}

// allows reports whether the harness may make the call: the copy is there, an inserted block overlaps
// none, a deleted one is there.
func (d *duel) allows(c call) bool {
	o := d.oracles[c.on]
	switch {
	case o == nil:
		return false
	case c.method == methodInsert:
		return !o.overlaps(c.r)
	case c.method == methodDelete:
		return o.has(c.r)
	}
	return true
}

// teach makes the call on the oracles alone.
func (d *duel) teach(c call) {
	switch c.method {
	case methodInsert:
		d.oracles[c.on].insert(c.r)
	case methodDelete:
		d.oracles[c.on].delete(c.r)
	case methodClone:
		d.oracles[c.to] = d.oracles[c.on].clone()
	}
}

// make makes the call on both and returns the fault of the core, nil if it has none. A panic is one.
func (d *duel) make(c call) (fault *Fault) {
	defer func() {
		if value := recover(); value != nil {
			fault = &Fault{Call: c.String(), Got: fmt.Sprintf("a panic: %v", value)}
		}
	}()
	got, want := d.ask(c)
	d.teach(c)
	if got != want {
		return &Fault{Call: c.String(), Got: got, Want: want}
	}
	return nil
}

// ask makes the call on the core and returns its answer and the right one, both empty if they agree
// or if there is nothing to answer.
func (d *duel) ask(c call) (got, want string) {
	core, o := d.cores[c.on], d.oracles[c.on]
	switch c.method {
	case methodInsert:
		core.Insert(c.r)
	case methodDelete:
		core.Delete(c.r)
	case methodOverlaps:
		if got, want := core.Overlaps(c.r), o.overlaps(c.r); got != want {
			return fmt.Sprint(got), fmt.Sprint(want)
		}
	case methodWho:
		return o.judgeWho(c.r)(core.(Namer).Who(c.r))
	case methodFindFree:
		got, found := core.(Finder).FindFree(c.count, c.r, c.align)
		want, exists := o.findFree(c.count, c.r, c.align)
		if found != exists || found && got != want {
			return describe(got, found), describe(want, exists)
		}
	case methodClone:
		clone := core.(Cloner).Clone()
		if clone == nil {
			return "nil", "a copy"
		}
		d.cores[c.to] = clone
	case methodCheck:
		if err := core.(Checker).Check(); err != nil {
			return "the error " + err.Error(), "no error"
		}
	}
	return "", ""
}

// judgeWho returns a function that compares an answer to Who(r) with the right ones, of which there may be several.
func (o *oracle) judgeWho(r pool.Range) func(block pool.Range, ok bool) (got, want string) {
	return func(block pool.Range, ok bool) (got, want string) {
		overlaps := o.overlaps(r)
		switch {
		case !ok && !overlaps, ok && o.has(block) && block.Overlaps(r):
			return "", ""
		case !overlaps:
			return describe(block, ok), describe(pool.Range{}, false)
		}
		for port := range r.Ports() {
			if o.isTaken(port) {
				return describe(block, ok), fmt.Sprintf("the block that has port %d", port)
			}
		}
		return "", ""
	}
}

func describe(r pool.Range, ok bool) string {
	if !ok {
		return "none"
	}
	return r.String()
}
