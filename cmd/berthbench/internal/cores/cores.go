package cores

import (
	"slices"

	"github.com/berthkit/berth/pool/poolbench"
)

// All returns every core that the default build knows: those of this repository, then the libraries.
func All() []Entry { return slices.Concat(Own(), Libraries()) }

// Own returns the cores of this repository: Berth's, its parts alone, and what one writes oneself.
func Own() []Entry {
	return []Entry{
		{
			Name: "berth", New: poolbench.Berth,
			Description: "Berth's pool: a bitmap with summaries, a tree of free runs, and a B-tree of the blocks",
			Properties:  []string{"keeps 8 bytes for each block's owner"},
		},
		{
			Name: "berth snapshots", New: poolbench.Snapshots, Groups: []string{"shared"},
			Description: "Berth's pool as values that never change: readers load the latest and never wait",
			Properties:  []string{"shared without a lock"},
		},
		{
			Name: "portset", New: poolbench.PortSet,
			Description: "Berth's port set alone: a bitmap with summaries and a tree of free runs",
		},
		{
			Name: "berth b-tree", New: poolbench.BTree,
			Description: "Berth's B-tree alone: what remains of the pool without its bitmap",
		},
		{
			Name: "bitmap", New: poolbench.Bitmap,
			Description: "1,024 words and nothing else",
		},
		{
			Name: "sorted slice", New: poolbench.SortedSlice,
			Description: "a slice by first port and binary search",
		},
		{
			Name: "list", New: poolbench.List,
			Description: "a slice in no order; each question looks at every block",
		},
	}
}

// Libraries returns the libraries that the default build measures.
func Libraries() []Entry {
	return []Entry{
		{
			Name: "google/btree", Module: "github.com/google/btree", New: newGoogle,
			Description: "a B-tree of degree 32 by first port",
		},
		{
			Name: "tidwall/btree", Module: "github.com/tidwall/btree", New: newTidwall,
			Description: "a B-tree by first port, its locks switched off",
		},
		{
			Name: "etcd/adt", Module: "go.etcd.io/etcd/pkg/v3", New: newEtcd,
			Description: "a red-black interval tree",
		},
		{
			Name: "rdleal/intervalst", Module: "github.com/rdleal/intervalst", New: newRdleal,
			Description: "an interval tree of any ordered type",
			Properties:  []string{"locks itself on every call"},
		},
		{
			Name: "gaissmai/interval", Module: "github.com/gaissmai/interval", New: newGaissmai,
			Description: "an interval treap, changed in place",
		},
		{
			Name: "biogo/store", Module: "github.com/biogo/store", New: newBiogo,
			Description: "a left-leaning red-black interval tree",
		},
		{
			Name: "workiva", Module: "github.com/Workiva/go-datastructures", New: newWorkiva,
			Description: "an augmented red-black tree of one dimension",
		},
		{
			Name: "zyedidia/generic", Module: "github.com/zyedidia/generic", New: newZyedidia,
			Description: "an augmented AVL tree",
		},
		{
			Name: "roaring", Module: "github.com/RoaringBitmap/roaring/v2", New: newRoaring,
			Description: "a compressed bitmap",
		},
		{
			Name: "kelindar/bitmap", Module: "github.com/kelindar/bitmap", New: newKelindar,
			Description: "a bitmap of words",
			Properties:  []string{"asks port by port: it has no call for a range"},
		},
		{
			Name: "bitset", Module: "github.com/bits-and-blooms/bitset", New: newBitset,
			Description: "a bitmap of words with calls for ranges",
		},
	}
}
