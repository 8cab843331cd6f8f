// Package poolbench measures overlap-check cores: the data structure inside a port allocator, a
// scheduler or a NAT that knows which of the 65,535 ports are taken.
//
// A core is anything with the three methods of [Core]. Verify proves that one answers correctly,
// Run measures it, on the same work as every other.
package poolbench

import "github.com/berthkit/berth/pool"

// A Core holds disjoint blocks of ports. It need not be safe for concurrent use, unless it says so by
// being a [Sharer]. The harness never inserts a block that overlaps one that is there, and deletes
// only what it inserted, whole.
type Core interface {
	Insert(r pool.Range)
	Delete(r pool.Range)

	// Overlaps reports whether any port of r is in a block.
	Overlaps(r pool.Range) bool
}

// A Namer is a core that can say which block is in the way. What can only answer yes or no, such as
// a bitmap, is measured apart.
type Namer interface {
	Core

	// Who returns one block that overlaps r, any of them if there are several; ok is false if none does.
	Who(r pool.Range) (block pool.Range, ok bool)
}

// A Finder is a core that can search.
type Finder interface {
	Core

	// FindFree returns the lowest range of count free ports within the given range whose first port
	// is a multiple of align; ok is false if there is none. Align is at least 1.
	FindFree(count int, within pool.Range, align int) (found pool.Range, ok bool)
}

// A Cloner is a core that can be copied. Neither copy sees later changes of the other.
type Cloner interface {
	Core
	Clone() Core
}

// A Sharer is a core that may be asked by many goroutines while one changes it, without the lock that
// the harness otherwise puts around it.
type Sharer interface {
	Core
	Shared()
}
