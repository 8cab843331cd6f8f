package poolbench

// VerifyCore puts a core through random operations beside an obvious oracle and returns the first
// wrong answer as a [*Fault], nil if all answers are right. A core that panics, or that does not
// return from a call within seconds, has a fault as well.
func VerifyCore(new func() Core, operations int, seed uint64) error { return nil }

// A Fault is the first wrong answer of a core.
type Fault struct {
	Call    string   // the call that was answered wrongly: "Overlaps(50000-50099)"
	Got     string   // the wrong answer: "true", "a panic: index out of range", "no answer within 10s"
	Want    string   // the right one; empty if the call has none
	History []string // calls on a new core that lead to the wrong answer, as few as were found
	Step    int      // how many operations were right before, of those that Seed makes
	Seed    uint64
}

func (f *Fault) Error() string { return f.Call + ": got " + f.Got + ", want " + f.Want }
