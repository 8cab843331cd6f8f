package poolbench_test

import (
	"testing"

	"github.com/berthkit/berth/pool/poolbench"
)

func BenchmarkBerth(b *testing.B)       { poolbench.Run(b, poolbench.Berth) }
func BenchmarkSnapshots(b *testing.B)   { poolbench.Run(b, poolbench.Snapshots) }
func BenchmarkPortSet(b *testing.B)     { poolbench.Run(b, poolbench.PortSet) }
func BenchmarkBTree(b *testing.B)       { poolbench.Run(b, poolbench.BTree) }
func BenchmarkBitmap(b *testing.B)      { poolbench.Run(b, poolbench.Bitmap) }
func BenchmarkSortedSlice(b *testing.B) { poolbench.Run(b, poolbench.SortedSlice) }
func BenchmarkList(b *testing.B)        { poolbench.Run(b, poolbench.List) }
