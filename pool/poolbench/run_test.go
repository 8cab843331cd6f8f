package poolbench_test

import (
	"testing"

	"github.com/berthkit/berth/pool/poolbench"
)

func BenchmarkBerth(b *testing.B)       { poolbench.Run(b, poolbench.Berth) }
func BenchmarkBitmap(b *testing.B)      { poolbench.Run(b, poolbench.Bitmap) }
func BenchmarkBTree(b *testing.B)       { poolbench.Run(b, poolbench.BTree) }
func BenchmarkSortedSlice(b *testing.B) { poolbench.Run(b, poolbench.SortedSlice) }
func BenchmarkPortSet(b *testing.B) { poolbench.Run(b, poolbench.PortSet) }
func BenchmarkSnapshots(b *testing.B) { poolbench.Run(b, poolbench.Snapshots) }
