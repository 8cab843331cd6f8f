package poolbench

import "github.com/berthkit/berth/pool"

// PortSet returns a core on [pool.PortSet] alone: a bitmap with summaries and a tree of free runs. It
// cannot say who.
func PortSet() Core { return &portSet{new(pool.PortSet)} }

type portSet struct{ ports *pool.PortSet }

func (c *portSet) Insert(r pool.Range)        { c.ports.Add(r) }
func (c *portSet) Delete(r pool.Range)        { c.ports.Remove(r) }
func (c *portSet) Overlaps(r pool.Range) bool { return c.ports.Overlaps(r) }
func (c *portSet) Clone() Core                { return &portSet{c.ports.Clone()} }

func (c *portSet) FindFree(count int, within pool.Range, align int) (pool.Range, bool) {
	return c.ports.FindFree(count, pool.Search{Within: within, Align: align})
}
