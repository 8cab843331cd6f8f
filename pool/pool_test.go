package pool

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoolKeepsBlocksApart(t *testing.T) {
	pool := newPool(t)
	block := MustParseRange("50000-50099")
	require.True(t, pool.Insert(block, 1))
	for _, text := range []string{"50000-50099", "50099", "50000", "49999-50000", "50050-50060", "1-65535"} {
		require.False(t, pool.Insert(MustParseRange(text), 2), text)
	}
	require.False(t, pool.Insert(Range{}, 2))
	require.Equal(t, 1, pool.Len())
	require.True(t, pool.Insert(MustParseRange("50100-50199"), 3), "right behind")
	require.True(t, pool.Insert(MustParseRange("49999"), 4), "right before")
	require.Equal(t, map[Range]int{block: 1, MustParseRange("50100-50199"): 3, MustParseRange("49999"): 4},
		maps.Collect(pool.All()))
}

func TestPoolKnowsBlocksExactly(t *testing.T) {
	pool := newPool(t)
	block := MustParseRange("50000-50099")
	require.True(t, pool.Insert(block, 7))
	for _, text := range []string{"50000-50098", "50000-50100", "50001-50099", "50000", "50050", "1-65535", "49999"} {
		_, found := pool.Get(MustParseRange(text))
		require.False(t, found, text)
		_, found = pool.Delete(MustParseRange(text))
		require.False(t, found, text)
		value, found := pool.Get(block)
		require.True(t, found, text)
		require.Equal(t, 7, value)
	}
	_, found := pool.Delete(Range{})
	require.False(t, found)
	value, found := pool.Delete(block)
	require.True(t, found)
	require.Equal(t, 7, value)
	_, found = pool.Delete(block)
	require.False(t, found)
	require.Zero(t, pool.Len())
}

func TestZeroPoolIsEmpty(t *testing.T) {
	var pool Pool[string]
	require.Zero(t, pool.Len())
	require.False(t, pool.Overlaps(AllPorts))
	_, _, found := pool.FirstOverlap(AllPorts)
	require.False(t, found)
	_, _, found = pool.At(80)
	require.False(t, found)
	_, found = pool.Get(AllPorts)
	require.False(t, found)
	_, found = pool.Delete(AllPorts)
	require.False(t, found)
	require.Empty(t, maps.Collect(pool.All()))
	require.Equal(t, []Range{AllPorts}, slices.Collect(pool.Gaps(AllPorts)))
	require.Zero(t, pool.Clone().Len())
	pool.ClearInUse(AllPorts)
	require.True(t, pool.Insert(AllPorts, "all"))
	require.Empty(t, slices.Collect(pool.Gaps(AllPorts)))
	checkPool(t, &pool)
}

func TestZeroRangeChangesAndFindsNothing(t *testing.T) {
	pool := newPool(t)
	pool.Insert(AllPorts, 1)
	pool.MarkInUse(AllPorts)
	pool.MarkInUse(Range{})
	pool.ClearInUse(Range{})
	require.True(t, pool.InUse(RangeOf(1)))
	require.False(t, pool.InUse(Range{}))
	require.False(t, pool.Overlaps(Range{}))
	_, _, found := pool.FirstOverlap(Range{})
	require.False(t, found)
	_, _, found = pool.At(0)
	require.False(t, found)
	require.Empty(t, maps.Collect(pool.Overlapping(Range{})))
	require.Empty(t, slices.Collect(pool.Gaps(Range{})))
	require.Empty(t, slices.Collect(pool.RangesInUse(Range{})))
}

func TestPoolListsInOrder(t *testing.T) {
	pool := newPool(t)
	for i, text := range []string{"300-399", "100-199", "500", "65000-65535"} {
		require.True(t, pool.Insert(MustParseRange(text), i))
	}
	list := func(within string) (blocks []string) {
		for block := range pool.Overlapping(MustParseRange(within)) {
			blocks = append(blocks, block.String())
		}
		return blocks
	}
	require.Equal(t, []string{"100-199", "300-399", "500", "65000-65535"}, list("1-65535"))
	require.Equal(t, []string{"100-199", "300-399"}, list("199-300"))
	require.Equal(t, []string{"65000-65535"}, list("65535"))
	require.Empty(t, list("200-299"))
	require.Equal(t, rangesOf("150-150", "200-299", "400-450")[1:], slices.Collect(pool.Gaps(MustParseRange("150-450"))))

	first, value, found := pool.FirstOverlap(MustParseRange("199-65535"))
	require.True(t, found)
	require.Equal(t, "100-199", first.String())
	require.Equal(t, 1, value)
	for block := range pool.All() {
		require.Equal(t, "100-199", block.String())
		break // must stop there
	}
	at, value, found := pool.At(500)
	require.True(t, found)
	require.Equal(t, "500", at.String())
	require.Equal(t, 2, value)
}

func TestMarksAndBlocksStandApart(t *testing.T) {
	pool := newPool(t)
	pool.MarkInUse(MustParseRange("50090-50109"))
	require.True(t, pool.Insert(MustParseRange("50000-50099"), 1), "marks do not hinder a block")
	require.Equal(t, rangesOf("50090-50109"), slices.Collect(pool.RangesInUse(AllPorts)))
	require.Equal(t, rangesOf("50095-50100"), slices.Collect(pool.RangesInUse(MustParseRange("50095-50100"))))

	search := Search{Within: MustParseRange("50000-50200")}
	free := func() string {
		found, _ := pool.FindFree(10, search)
		return found.String()
	}
	require.Equal(t, "50110-50119", free())
	pool.ClearInUse(MustParseRange("50095-50104"))
	require.True(t, pool.Overlaps(MustParseRange("50095")), "the block stays")
	require.Equal(t, "50110-50119", free(), "50100-50104 are only five")
	_, found := pool.Delete(MustParseRange("50000-50099"))
	require.True(t, found)
	require.Equal(t, "50000-50009", free())
	require.True(t, pool.InUse(MustParseRange("50090-50094")), "the marks stay")
	found90, _ := pool.FindFree(91, search)
	require.Equal(t, "50110-50200", found90.String())
}

func TestPoolClonesAreIndependent(t *testing.T) {
	pool := newPool(t)
	pool.Insert(MustParseRange("100-199"), 1)
	pool.MarkInUse(MustParseRange("150-250"))
	clone := pool.Clone()
	pool.Delete(MustParseRange("100-199"))
	pool.ClearInUse(AllPorts)
	clone.Insert(MustParseRange("300-399"), 2)
	clone.MarkInUse(MustParseRange("7"))

	require.Zero(t, pool.Len())
	require.False(t, pool.InUse(AllPorts))
	require.Equal(t, map[Range]int{MustParseRange("100-199"): 1, MustParseRange("300-399"): 2}, maps.Collect(clone.All()))
	require.Equal(t, rangesOf("7", "150-250"), slices.Collect(clone.RangesInUse(AllPorts)))
	checkPool(t, clone)
}

// TestReadersOfClonesNeedNoLock has many readers of snapshots beside a writer: the race detector
// and the readers' own checks would see a page that is shared and changed.
func TestReadersOfClonesNeedNoLock(t *testing.T) {
	pool := newPool(t)
	snapshots := make(chan *Pool[int], 4)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for snapshot := range snapshots {
				// Each snapshot has as many ports free as its number of blocks tells.
				ports := 0
				for block := range snapshot.All() {
					ports += block.Count()
					if !snapshot.Overlaps(block) {
						t.Errorf("%s is in the tree but not in the bitmap", block)
					}
				}
				if free, found := snapshot.FindFree(MaxPort-ports, Search{}); !found {
					t.Errorf("blocks of %d ports at the start leave no %d ports, found %v", ports, MaxPort-ports, free)
				}
			}
		})
	}
	for i := range 500 {
		block := Range{uint16(1 + 7*i), uint16(7 + 7*i)}
		if !pool.Insert(block, i) {
			t.Errorf("%s is taken", block)
		}
		snapshots <- pool.Clone()
	}
	close(snapshots)
	readers.Wait()
}

// TestReadersDoNotMindAClone reads a pool that nobody changes while it is cloned.
func TestReadersDoNotMindAClone(t *testing.T) {
	pool := newPool(t)
	for i, block := range spread(100) {
		require.True(t, pool.Insert(block, i))
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 200 {
				for block := range pool.All() {
					if _, found := pool.Get(block); !found {
						t.Errorf("%s is gone", block)
					}
				}
				pool.FindFree(500, Search{Align: 2})
			}
		})
	}
	for range 200 {
		pool.Clone()
	}
	readers.Wait()
}

// TestCallsAllocateNothing holds for every call but Clone, and Insert where the tree grows.
func TestCallsAllocateNothing(t *testing.T) {
	pool := poolOf(spread(1000))
	pool.MarkInUse(MustParseRange("60000-60100"))
	search := Search{From: 30000, Align: 2, Avoid: []*PortSet{setOf("1-1000")}}
	block := spread(1000)[500]
	count := 0
	calls := map[string]func(){
		"Overlaps":     func() { pool.Overlaps(AllPorts) },
		"FirstOverlap": func() { pool.FirstOverlap(AllPorts) },
		"Overlapping": func() {
			for r, value := range pool.Overlapping(MustParseRange("30000-40000")) {
				count += value + r.Count()
			}
		},
		"All": func() {
			for range pool.All() {
				count++
			}
		},
		"Gaps": func() {
			for range pool.Gaps(AllPorts) {
				count++
			}
		},
		"RangesInUse": func() {
			for range pool.RangesInUse(AllPorts) {
				count++
			}
		},
		"At":       func() { pool.At(block.First()) },
		"Get":      func() { pool.Get(block) },
		"InUse":    func() { pool.InUse(AllPorts) },
		"FindFree": func() { pool.FindFree(20, search) },
		"Delete and Insert": func() {
			value, _ := pool.Delete(block)
			pool.Insert(block, value)
		},
		"MarkInUse and ClearInUse": func() {
			pool.MarkInUse(block)
			pool.ClearInUse(block)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			require.Zero(t, testing.AllocsPerRun(100, call))
		})
	}
	require.NotZero(t, count)
}
