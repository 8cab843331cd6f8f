package cores

import (
	"cmp"

	"github.com/Workiva/go-datastructures/augmentedtree"
	biogostore "github.com/biogo/store/interval"
	gaissmaitree "github.com/gaissmai/interval"
	rdlealtree "github.com/rdleal/intervalst/interval"
	zyedidiatree "github.com/zyedidia/generic/interval"
	"go.etcd.io/etcd/pkg/v3/adt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

// etcd's tree takes half-open intervals.
type etcd struct {
	tree adt.IntervalTree
}

func newEtcd() poolbench.Core { return etcd{adt.NewIntervalTree()} }

func halfOpen(r pool.Range) adt.Interval {
	return adt.NewInt64Interval(int64(r.First()), int64(r.Last())+1)
}

func (c etcd) Insert(r pool.Range)        { c.tree.Insert(halfOpen(r), r) }
func (c etcd) Delete(r pool.Range)        { c.tree.Delete(halfOpen(r)) }
func (c etcd) Overlaps(r pool.Range) bool { return c.tree.Intersects(halfOpen(r)) }

func (c etcd) Who(r pool.Range) (block pool.Range, ok bool) {
	c.tree.Visit(halfOpen(r), func(found *adt.IntervalValue) bool {
		block, ok = found.Val.(pool.Range)
		return false
	})
	return block, ok
}

func (c etcd) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := newGap(count, within, align)
	c.tree.Visit(halfOpen(within), func(found *adt.IntervalValue) bool { return search.pass(found.Val.(pool.Range)) })
	return search.found()
}

// rdleal's tree locks itself.
type rdleal struct {
	tree *rdlealtree.SearchTree[pool.Range, uint16]
}

func newRdleal() poolbench.Core {
	// Without the option a block of one port is refused.
	return rdleal{rdlealtree.NewSearchTreeWithOptions[pool.Range](cmp.Compare[uint16], rdlealtree.TreeWithIntervalPoint())}
}

func (c rdleal) Insert(r pool.Range) { must(c.tree.Insert(r.First(), r.Last(), r)) }
func (c rdleal) Delete(r pool.Range) { must(c.tree.Delete(r.First(), r.Last())) }

func (c rdleal) Overlaps(r pool.Range) bool {
	_, overlaps := c.Who(r)
	return overlaps
}

func (c rdleal) Who(r pool.Range) (pool.Range, bool) {
	return c.tree.AnyIntersection(r.First(), r.Last())
}

type gaissmai struct {
	tree *gaissmaitree.Tree[pool.Range]
}

func newGaissmai() poolbench.Core { return gaissmai{gaissmaitree.NewTree(compareEnds)} }

// compareEnds compares the ends of a with those of b: left and left, right and right, left and
// right, right and left.
func compareEnds(a, b pool.Range) (ll, rr, lr, rl int) {
	return cmp.Compare(a.First(), b.First()), cmp.Compare(a.Last(), b.Last()),
		cmp.Compare(a.First(), b.Last()), cmp.Compare(a.Last(), b.First())
}

func (c gaissmai) Insert(r pool.Range)        { c.tree.Insert(r) }
func (c gaissmai) Delete(r pool.Range)        { c.tree.Delete(r) }
func (c gaissmai) Overlaps(r pool.Range) bool { return c.tree.Intersects(r) }
func (c gaissmai) Clone() poolbench.Core      { return gaissmai{c.tree.Clone()} }

func (c gaissmai) Who(r pool.Range) (pool.Range, bool) {
	blocks := c.tree.Intersections(r)
	if len(blocks) == 0 {
		return pool.Range{}, false
	}
	return blocks[0], true
}

type biogo struct {
	tree *biogostore.IntTree
}

func newBiogo() poolbench.Core { return biogo{&biogostore.IntTree{}} }

// A biogoRange is a block or a question. Its ends are included: the tree asks Overlap alone.
type biogoRange pool.Range

func (r biogoRange) Range() biogostore.IntRange {
	return biogostore.IntRange{Start: int(pool.Range(r).First()), End: int(pool.Range(r).Last())}
}

func (r biogoRange) ID() uintptr { return uintptr(pool.Range(r).First()) }

func (r biogoRange) Overlap(other biogostore.IntRange) bool {
	return other.Start <= int(pool.Range(r).Last()) && int(pool.Range(r).First()) <= other.End
}

func (c biogo) Insert(r pool.Range) { must(c.tree.Insert(biogoRange(r), false)) }
func (c biogo) Delete(r pool.Range) { must(c.tree.Delete(biogoRange(r), false)) }

func (c biogo) Overlaps(r pool.Range) bool {
	return c.tree.DoMatching(func(biogostore.IntInterface) bool { return true }, biogoRange(r))
}

func (c biogo) Who(r pool.Range) (block pool.Range, ok bool) {
	ok = c.tree.DoMatching(func(found biogostore.IntInterface) bool {
		block = pool.Range(found.(biogoRange))
		return true
	}, biogoRange(r))
	return block, ok
}

func (c biogo) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	search := newGap(count, within, align)
	c.tree.DoMatching(func(found biogostore.IntInterface) bool {
		return !search.pass(pool.Range(found.(biogoRange)))
	}, biogoRange(within))
	return search.found()
}

type workiva struct {
	tree augmentedtree.Tree
}

func newWorkiva() poolbench.Core { return workiva{augmentedtree.New(1)} }

// A workivaRange is a block or a question of one dimension, its ends included.
type workivaRange pool.Range

func (r workivaRange) LowAtDimension(uint64) int64  { return int64(pool.Range(r).First()) }
func (r workivaRange) HighAtDimension(uint64) int64 { return int64(pool.Range(r).Last()) }
func (r workivaRange) ID() uint64                   { return uint64(pool.Range(r).First()) }

func (r workivaRange) OverlapsAtDimension(other augmentedtree.Interval, dimension uint64) bool {
	return r.LowAtDimension(dimension) <= other.HighAtDimension(dimension) &&
		other.LowAtDimension(dimension) <= r.HighAtDimension(dimension)
}

func (c workiva) Insert(r pool.Range) { c.tree.Add(workivaRange(r)) }
func (c workiva) Delete(r pool.Range) { c.tree.Delete(workivaRange(r)) }

func (c workiva) Overlaps(r pool.Range) bool {
	_, overlaps := c.Who(r)
	return overlaps
}

func (c workiva) Who(r pool.Range) (block pool.Range, ok bool) {
	blocks := c.tree.Query(workivaRange(r))
	if len(blocks) > 0 {
		block, ok = pool.Range(blocks[0].(workivaRange)), true
	}
	blocks.Dispose() // gives the slice back to the library, which would allocate another
	return block, ok
}

// zyedidia's tree takes half-open intervals and knows them by their lower end.
type zyedidia struct {
	tree *zyedidiatree.Tree[int, pool.Range]
}

func newZyedidia() poolbench.Core { return zyedidia{zyedidiatree.New[int, pool.Range]()} }

func (c zyedidia) Insert(r pool.Range) { c.tree.Put(int(r.First()), int(r.Last())+1, r) }
func (c zyedidia) Delete(r pool.Range) { c.tree.Remove(int(r.First())) }

func (c zyedidia) Overlaps(r pool.Range) bool {
	_, overlaps := c.Who(r)
	return overlaps
}

func (c zyedidia) Who(r pool.Range) (pool.Range, bool) {
	blocks := c.tree.Overlaps(int(r.First()), int(r.Last())+1)
	if len(blocks) == 0 {
		return pool.Range{}, false
	}
	return blocks[0].Val, true
}

// must turns a refusal into a panic, which the harness reports as the fault of the core: it asks for
// nothing that may be refused.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
