package poolbench_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// BERTH_VERIFY_CALLS says how many random calls each core is verified with.
const verifyVariable = "BERTH_VERIFY_CALLS"

func TestBerthIsRight(t *testing.T) { poolbench.Verify(t, poolbench.Berth) }

func TestOurCoresAreRight(t *testing.T) {
	calls := 100_000
	if text := os.Getenv(verifyVariable); text != "" {
		var err error
		calls, err = strconv.Atoi(text)
		require.NoError(t, err, verifyVariable)
	}
	for _, c := range []struct {
		name string
		new  func() poolbench.Core
	}{
		{"berth", poolbench.Berth},
		{"snapshots", poolbench.Snapshots},
		{"portset", poolbench.PortSet},
		{"btree", poolbench.BTree},
		{"bitmap", poolbench.Bitmap},
		{"sorted slice", poolbench.SortedSlice},
		{"list", poolbench.List},
	} {
		t.Run(c.name, func(t *testing.T) { require.NoError(t, poolbench.VerifyCore(c.new, calls, rand.Uint64())) })
	}
}

// A liar is a right core, with a lie in one of its methods.
type liar struct {
	poolbench.Core
	insert, remove func(core poolbench.Core, r pool.Range)
	overlaps       func(core poolbench.Core, r pool.Range) bool
	who            func(core poolbench.Namer, r pool.Range) (pool.Range, bool)
	find           func(core poolbench.Finder, count int, within pool.Range, align int) (pool.Range, bool)
	clone          func(core poolbench.Core) poolbench.Core
	check          func() error
}

func (l liar) Insert(r pool.Range) {
	if l.insert != nil {
		l.insert(l.Core, r)
		return
	}
	l.Core.Insert(r)
}

func (l liar) Delete(r pool.Range) {
	if l.remove != nil {
		l.remove(l.Core, r)
		return
	}
	l.Core.Delete(r)
}

func (l liar) Overlaps(r pool.Range) bool {
	if l.overlaps != nil {
		return l.overlaps(l.Core, r)
	}
	return l.Core.Overlaps(r)
}

func (l liar) Who(r pool.Range) (pool.Range, bool) {
	if l.who != nil {
		return l.who(l.Core.(poolbench.Namer), r)
	}
	return l.Core.(poolbench.Namer).Who(r)
}

func (l liar) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	if l.find != nil {
		return l.find(l.Core.(poolbench.Finder), count, within, align)
	}
	return l.Core.(poolbench.Finder).FindFree(count, within, align)
}

func (l liar) Clone() poolbench.Core {
	if l.clone != nil {
		return l.clone(l)
	}
	l.Core = l.Core.(poolbench.Cloner).Clone()
	return l
}

func (l liar) Check() error {
	if l.check != nil {
		return l.check()
	}
	return nil
}

// shorter returns r without its last port, if it has another one.
func shorter(r pool.Range) pool.Range {
	less, err := pool.RangeFrom(r.First(), max(1, r.Count()-1))
	if err != nil {
		panic(err)
	}
	return less
}

var lies = []struct {
	name    string
	liar    liar
	call    string // what is answered wrongly, as a pattern
	history int    // calls that suffice to show it
}{
	{"misses the last port", liar{
		overlaps: func(core poolbench.Core, r pool.Range) bool { return core.Overlaps(shorter(r)) },
	}, `^Overlaps\(\d+-\d+\): got false, want true; on a new core after Insert\(`, 1},
	{"misses port 65535", liar{
		overlaps: func(core poolbench.Core, r pool.Range) bool { return r.First() != pool.MaxPort && core.Overlaps(r) },
	}, `^Overlaps\(65535\): got false, want true; on a new core after Insert\(.*65535\) `, 1},
	{"takes a port too many", liar{
		overlaps: func(core poolbench.Core, r pool.Range) bool {
			return core.Overlaps(r) || r.First() > 1 && core.Overlaps(pool.RangeOf(r.First()-1))
		},
	}, `^Overlaps\(.*\): got true, want false; on a new core after Insert\(`, 1},
	{"inserts too little", liar{
		insert: func(core poolbench.Core, r pool.Range) { core.Insert(shorter(r)) },
	}, `^(Overlaps|Who)\(.*after Insert\(`, 1},
	{"deletes nothing", liar{
		remove: func(poolbench.Core, pool.Range) {},
	}, `^(copy\d\.)?\w+\(.*after .*Delete\(`, 2},
	{"names another block", liar{
		who: func(core poolbench.Namer, r pool.Range) (pool.Range, bool) {
			block, ok := core.Who(r)
			if !ok {
				return block, ok
			}
			return pool.RangeOf(block.First()), ok
		},
	}, `^Who\(.*\): got .*, want the block that has port \d+; on a new core after Insert\(`, 1},
	{"names a block where none is", liar{
		who: func(core poolbench.Namer, r pool.Range) (pool.Range, bool) { return core.Who(pool.AllPorts) },
	}, `^Who\(.*\): got .*, want none; on a new core after Insert\(`, 1},
	{"finds what is not free", liar{
		find: func(core poolbench.Finder, count int, within pool.Range, align int) (pool.Range, bool) {
			return core.FindFree(max(1, count-1), within, align)
		},
	}, `^FindFree\(.*\): got .*, want `, 0},
	{"finds another than the lowest", liar{
		find: func(core poolbench.Finder, count int, within pool.Range, align int) (pool.Range, bool) {
			return core.FindFree(count, within, 2*align)
		},
	}, `^FindFree\(.*\): got .*, want `, 1},
	{"copies nothing", liar{
		clone: func(core poolbench.Core) poolbench.Core { return core },
	}, `^(copy\d\.)?\w+\(.*copy\d = (copy\d\.)?Clone\(\)`, 2},
	{"has no copy", liar{
		clone: func(poolbench.Core) poolbench.Core { return nil },
	}, `^copy\d = Clone\(\): got nil, want a copy `, 0},
	{"finds itself broken", liar{
		check: func() error { return errors.New("the tree leans") },
	}, `^Check\(\): got the error the tree leans, want no error`, 0},
	{"breaks with many blocks", liar{
		overlaps: func(core poolbench.Core, r pool.Range) bool {
			return core.Overlaps(r) && core.(interface{ Len() int }).Len() < 100
		},
	}, `^Overlaps\(.*\): got false, want true; on a new core after \d+ calls and then Insert\(`, 100},
	{"panics", liar{
		remove: func(poolbench.Core, pool.Range) { panic("no such block") },
	}, `^Delete\(.*\): got a panic: no such block; on a new core after Insert\(`, 1},
	{"ends the goroutine", liar{
		remove: func(poolbench.Core, pool.Range) { runtime.Goexit() },
	}, `^(copy\d\.)?Delete\(.*\): got runtime\.Goexit instead of an answer; on a new core after `, 12},
}

func TestLiesAreNamed(t *testing.T) {
	for _, c := range lies {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(5) {
				err := poolbench.VerifyCore(func() poolbench.Core {
					core := c.liar
					core.Core = poolbench.Berth()
					return core
				}, 100_000, seed)
				var fault *poolbench.Fault
				require.ErrorAs(t, err, &fault)
				require.Regexp(t, c.call, fault.Error())
				require.LessOrEqual(t, len(fault.History), c.history+1, "%v", fault)
				require.Contains(t, fault.Error(), fmt.Sprintf("(seed %d, call %d)", seed, fault.Step+1))
			}
		})
	}
}
