package poolbench

import (
	"bytes"
	"maps"
	"slices"

	"github.com/berthkit/berth/pool"
)

// An oracle is a core without any idea, so that it is right: whether each port is taken, and a list
// of the blocks.
type oracle struct {
	ports  [pool.MaxPort + 1]byte // taken or 0
	blocks []pool.Range           // in no order
	index  map[pool.Range]int
}

// taken is what stands for a taken port: bytes are searched fastest.
const taken = 1

var allTaken = bytes.Repeat([]byte{taken}, pool.MaxPort)
var allFree = make([]byte, pool.MaxPort)

func newOracle() *oracle { return &oracle{index: map[pool.Range]int{}} }

func (o *oracle) clone() *oracle {
	return &oracle{ports: o.ports, blocks: slices.Clone(o.blocks), index: maps.Clone(o.index)}
}

func (o *oracle) insert(r pool.Range) {
	o.index[r] = len(o.blocks)
	o.blocks = append(o.blocks, r)
	copy(o.of(r), allTaken)
}

func (o *oracle) delete(r pool.Range) {
	hole, last := o.index[r], o.blocks[len(o.blocks)-1]
	o.blocks[hole], o.index[last] = last, hole
	o.blocks = o.blocks[:len(o.blocks)-1]
	delete(o.index, r)
	copy(o.of(r), allFree)
}

// of returns the ports of r.
func (o *oracle) of(r pool.Range) []byte { return o.ports[r.First() : int(r.Last())+1] }

// has reports whether r is a block.
func (o *oracle) has(r pool.Range) bool {
	_, found := o.index[r]
	return found
}

// isTaken reports whether a port is.
func (o *oracle) isTaken(port uint16) bool { return o.ports[port] == taken }

func (o *oracle) overlaps(r pool.Range) bool { return bytes.IndexByte(o.of(r), taken) >= 0 }

// findFree tries each start, except those that a port is known to be in the way of.
func (o *oracle) findFree(count int, within pool.Range, align int) (pool.Range, bool) {
	for first := int(within.First()); ; first++ {
		first = (first + align - 1) / align * align
		if first+count-1 > int(within.Last()) {
			return pool.Range{}, false
		}
		obstacle := bytes.LastIndexByte(o.ports[first:first+count], taken)
		if obstacle < 0 {
			return span(first, count), true
		}
		first += obstacle
	}
}
