package poolbench_test

import (
	"testing"

	"github.com/berthkit/berth/pool/poolbench"
)

func TestOurCoresAreRight(t *testing.T) {
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
		t.Run(c.name, func(t *testing.T) { poolbench.Verify(t, c.new) })
	}
}
