package poolbench

import (
	"sync/atomic"

	"github.com/berthkit/berth/pool"
)

// An owner is what the cores with values keep for each block, as large as a pointer or a token.
type owner = uint64

// Berth returns a core on [pool.Pool], the whole of it: a bitmap with summaries, a B-tree of the
// blocks, and a tree of free runs. It can do everything but be shared; for that see [Snapshots].
func Berth() Core { return &berth{pool.New[owner]()} }

type berth struct{ pool *pool.Pool[owner] }

func (c *berth) Insert(r pool.Range)        { c.pool.Insert(r, owner(r.First())) }
func (c *berth) Delete(r pool.Range)        { c.pool.Delete(r) }
func (c *berth) Overlaps(r pool.Range) bool { return c.pool.Overlaps(r) }
func (c *berth) Clone() Core                { return &berth{c.pool.Clone()} }
func (c *berth) Len() int                   { return c.pool.Len() }

func (c *berth) Who(r pool.Range) (pool.Range, bool) {
	block, _, ok := c.pool.FirstOverlap(r)
	return block, ok
}

func (c *berth) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	return c.pool.FindFree(count, pool.Search{Within: within, Align: align})
}

// Snapshots returns a core of [pool.Pool] values that never change: each change makes a clone, and
// readers load the latest from an atomic pointer, so they never wait.
func Snapshots() Core {
	c := new(snapshots)
	c.latest.Store(pool.New[owner]())
	return c
}

type snapshots struct {
	latest atomic.Pointer[pool.Pool[owner]]
}

// Shared says that many may ask while one changes.
func (c *snapshots) Shared() {}

func (c *snapshots) Insert(r pool.Range) {
	c.change(func(next *pool.Pool[owner]) { next.Insert(r, owner(r.First())) })
}

func (c *snapshots) Delete(r pool.Range) {
	c.change(func(next *pool.Pool[owner]) { next.Delete(r) })
}

func (c *snapshots) change(do func(next *pool.Pool[owner])) {
	next := c.latest.Load().Clone()
	do(next)
	c.latest.Store(next)
}

func (c *snapshots) Clone() Core {
	clone := new(snapshots)
	clone.latest.Store(c.latest.Load().Clone())
	return clone
}

func (c *snapshots) Overlaps(r pool.Range) bool { return c.latest.Load().Overlaps(r) }

func (c *snapshots) Who(r pool.Range) (pool.Range, bool) {
	block, _, ok := c.latest.Load().FirstOverlap(r)
	return block, ok
}

func (c *snapshots) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	return c.latest.Load().FindFree(count, pool.Search{Within: within, Align: align})
}
