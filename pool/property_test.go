package pool

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawPort draws a port, more often than by chance one beside the end of a word or of a page, at
// the ends of all ports, or in a small region where ranges meet.
func drawPort(t *rapid.T, name string) uint16 {
	switch rapid.IntRange(0, 4).Draw(t, name+" class") {
	case 0:
		return uint16(rapid.IntRange(1, MaxPort).Draw(t, name))
	case 1:
		return uint16(rapid.IntRange(1, 300).Draw(t, name))
	case 2:
		return uint16(rapid.IntRange(MaxPort-200, MaxPort).Draw(t, name))
	case 3:
		return uint16(rapid.IntRange(1, wordCount-1).Draw(t, name)*wordBits + rapid.IntRange(-2, 2).Draw(t, name+" offset"))
	default:
		return uint16(rapid.IntRange(1, pageCount-1).Draw(t, name)*pageBits + rapid.IntRange(-90, 90).Draw(t, name+" offset"))
	}
}

func drawCount(t *rapid.T, name string) int {
	limit := rapid.SampledFrom([]int{1, 4, 70, 300, 5000, MaxPort}).Draw(t, name+" limit")
	return rapid.IntRange(1, limit).Draw(t, name)
}

func drawRange(t *rapid.T, name string) Range {
	first := drawPort(t, name+" first")
	r, err := RangeFrom(first, min(drawCount(t, name+" count"), MaxPort-int(first)+1))
	require.NoError(t, err)
	return r
}

func drawSearch(t *rapid.T, avoid ...*PortSet) Search {
	search := Search{
		Align: rapid.SampledFrom([]int{0, 1, 2, 2, 3, 4, 10, 64, 100, 4096, 40000}).Draw(t, "align"),
		Avoid: avoid,
	}
	if rapid.Bool().Draw(t, "bounded") {
		search.Within = drawRange(t, "within")
	}
	if rapid.Bool().Draw(t, "next") {
		search.From = drawPort(t, "from")
	}
	return search
}

// drawFragments puts many short ranges into a set, so that most free runs are short.
func drawFragments(t *rapid.T, put func(Range)) {
	first := int(drawPort(t, "fragments"))
	pattern := rapid.SliceOfN(rapid.IntRange(1, 9), 2, 12).Draw(t, "pattern")
	end := min(first+rapid.SampledFrom([]int{100, 1000, 5000}).Draw(t, "length"), MaxPort)
	for i, port := 0, first; port <= end; i++ {
		length := pattern[i%len(pattern)]
		if i%2 == 0 {
			put(Range{uint16(port), uint16(min(port+length-1, end))})
		}
		port += length
	}
}

func TestPortSetBehavesAsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, avoid, slow := new(PortSet), new(PortSet), new(slowSet)
		clone, slowClone := set.Clone(), *slow
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				r := drawRange(t, "range")
				set.Add(r)
				slow.put(r, true)
			},
			"fragment": func(t *rapid.T) {
				drawFragments(t, func(r Range) {
					set.Add(r)
					slow.put(r, true)
				})
			},
			"remove": func(t *rapid.T) {
				r := drawRange(t, "range")
				set.Remove(r)
				slow.put(r, false)
			},
			"avoid": func(t *rapid.T) { avoid.Add(drawRange(t, "range")) },
			"clear": func(*rapid.T) {
				set.Clear()
				*slow = slowSet{}
			},
			"swap with a clone": func(*rapid.T) {
				clone = set.Clone()
				slowClone = *slow
				set, clone = clone, set
			},
			"find": func(t *rapid.T) {
				count := drawCount(t, "count")
				search := drawSearch(t, nil, avoid)
				got, ok := set.FindFree(count, search)
				want, wantOK := slow.find(count, search)
				require.Equal(t, wantOK, ok)
				require.Equal(t, want, got)

				// The scan that many leaps end in, from the first port on.
				within, align := drawRange(t, "scan"), drawSearch(t).Align
				query := finder{count: count, align: max(1, align), set: set, avoid: search.Avoid}
				want, wantOK = slow.find(count, Search{Within: within, Align: align, Avoid: search.Avoid})
				start := query.scan(int(within.first), int(within.last))
				require.Equal(t, wantOK, start != nowhere)
				if wantOK {
					require.Equal(t, int(want.first), start)
				}
			},
			"": func(t *rapid.T) {
				r := drawRange(t, "look")
				require.Equal(t, slow.overlaps(r), set.Overlaps(r))
				require.Equal(t, slow[r.first], set.Contains(r.first))
			},
		})
		checkPortSet(t, set)
		checkPortSet(t, clone)
		require.Equal(t, slow.ranges(AllPorts, true), slices.Collect(set.Ranges()))
		require.Equal(t, slowClone.ranges(AllPorts, true), slices.Collect(clone.Ranges()))
	})
}

func TestPoolBehavesAsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool, slow := New[int](), new(slowPool)
		clone, slowClone := pool.Clone(), slow.clone()
		value := 0
		insert := func(r Range) {
			value++
			require.Equal(t, slow.insert(r, value), pool.Insert(r, value), r)
		}
		drawBlock := func(t *rapid.T) Range {
			if len(slow.blocks) == 0 {
				return drawRange(t, "range")
			}
			return rapid.SampledFrom(slow.blocks).Draw(t, "block").block
		}
		t.Repeat(map[string]func(*rapid.T){
			"insert":   func(t *rapid.T) { insert(drawRange(t, "range")) },
			"fragment": func(t *rapid.T) { drawFragments(t, insert) },
			"delete": func(t *rapid.T) {
				r := drawBlock(t)
				want, wantOK := slow.delete(r)
				got, ok := pool.Delete(r)
				require.Equal(t, wantOK, ok)
				require.Equal(t, want, got)
			},
			"delete what is no block": func(t *rapid.T) {
				r := drawRange(t, "range")
				if _, found := slow.get(r); !found {
					got, ok := pool.Delete(r)
					require.False(t, ok)
					require.Zero(t, got)
				}
			},
			"mark": func(t *rapid.T) {
				r := drawRange(t, "range")
				pool.MarkInUse(r)
				slow.inUse.put(r, true)
			},
			"clear mark": func(t *rapid.T) {
				r := drawRange(t, "range")
				pool.ClearInUse(r)
				slow.inUse.put(r, false)
			},
			"swap with a clone": func(*rapid.T) {
				clone, slowClone = pool.Clone(), slow.clone()
				pool, clone = clone, pool
			},
			"find": func(t *rapid.T) {
				count, search := drawCount(t, "count"), drawSearch(t)
				got, ok := pool.FindFree(count, search)
				want, wantOK := slow.taken().find(count, search)
				require.Equal(t, wantOK, ok)
				require.Equal(t, want, got)
			},
			"": func(t *rapid.T) { comparePools(t, slow, pool, drawBlock(t), drawRange(t, "look")) },
		})
		checkPool(t, pool)
		checkPool(t, clone)
		comparePools(t, slow, pool, AllPorts)
		comparePools(t, slowClone, clone, AllPorts)
	})
}

// comparePools asks both pools all questions about some ranges.
func comparePools(t require.TestingT, want *slowPool, got *Pool[int], ranges ...Range) {
	require.Equal(t, len(want.blocks), got.Len())
	for _, r := range ranges {
		overlapping := want.overlapping(r)
		require.Equal(t, len(overlapping) > 0, got.Overlaps(r), r)
		first, value, found := got.FirstOverlap(r)
		require.Equal(t, len(overlapping) > 0, found, r)
		if found {
			require.Equal(t, overlapping[0], entry[int]{first, value})
		}
		var listed []entry[int]
		for block, value := range got.Overlapping(r) {
			listed = append(listed, entry[int]{block, value})
		}
		require.Equal(t, overlapping, listed)

		at, value, found := got.At(r.last)
		holder := want.overlapping(RangeOf(r.last))
		require.Equal(t, len(holder) > 0, found)
		if found {
			require.Equal(t, holder[0], entry[int]{at, value})
		}
		wantValue, wantFound := want.get(r)
		value, found = got.Get(r)
		require.Equal(t, wantFound, found)
		require.Equal(t, wantValue, value)

		require.Equal(t, want.ports().ranges(r, false), slices.Collect(got.Gaps(r)))
		require.Equal(t, want.inUse.ranges(r, true), slices.Collect(got.RangesInUse(r)))
		require.Equal(t, want.inUse.overlaps(r), got.InUse(r))
	}
	require.Len(t, maps.Collect(got.All()), len(want.blocks))
}
