package poolbench

import "slices"

// narrow looks for few calls that lead to a fault: the blocks that are there, inserted one by one;
// or the changes that were made; or all calls. From the first that does it drops what it can.
func (v *verification) narrow(fault *Fault) *Fault {
	calls := v.calls(fault.Step + 1)
	before, last := calls[:fault.Step], calls[fault.Step]
	changes := slices.DeleteFunc(slices.Clone(before), func(c call) bool { return !c.changes() })
	n := narrowing{verification: v, budget: 5_000_000}
	for _, attempt := range [][]call{rebuild(before, last), append(changes, last), calls} {
		made, found := n.replay(attempt)
		if found == nil {
			continue
		}
		made, found = n.drop(made, found)
		found.History = inWords(made[:len(made)-1])
		found.Step = fault.Step
		return found
	}
	return fault
}

// rebuild returns calls that insert the blocks that a copy holds after some calls, and then the last one.
func rebuild(before []call, last call) []call {
	d := newDuel(nil)
	for _, c := range before {
		d.teach(c)
	}
	var calls []call
	for _, block := range d.oracles[last.on].blocks {
		calls = append(calls, call{method: methodInsert, r: block})
	}
	last.on = 0
	return append(calls, last)
}

// A narrowing replays calls on new cores, not without end.
type narrowing struct {
	*verification
	budget int // calls that may still be made
}

// replay makes the calls that are allowed up to the first fault and returns those that it made, the
// faulty one included. The fault is nil if there is none, or if the budget is spent.
func (n *narrowing) replay(calls []call) (made []call, fault *Fault) {
	if n.budget < 0 {
		return nil, nil
	}
	n.budget -= len(calls) + 100 // a new oracle takes its time as well
	core, fault := n.make()
	if fault != nil {
		return nil, nil
	}
	d := newDuel(core)
	for _, c := range calls {
		if !d.allows(c) {
			continue
		}
		n.made.Add(1)
		made = append(made, c)
		if fault := d.make(c); fault != nil {
			return made, fault
		}
	}
	return nil, nil
}

// drop leaves out calls, many at a time and then fewer, as long as what is left leads to a fault. The
// last call stays.
func (n *narrowing) drop(calls []call, fault *Fault) ([]call, *Fault) {
	for size := len(calls) / 2; size > 0; size /= 2 {
		for start := 0; start+size < len(calls); {
			made, found := n.replay(slices.Concat(calls[:start], calls[start+size:]))
			if found == nil {
				start += size
				continue
			}
			calls, fault = made, found
		}
	}
	return calls, fault
}
