package pool

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// rangesOf parses ranges; it reads well in tables.
func rangesOf(texts ...string) []Range {
	ranges := make([]Range, len(texts))
	for i, text := range texts {
		ranges[i] = MustParseRange(text)
	}
	return ranges
}

func TestFindFree(t *testing.T) {
	within := func(text string) Search { return Search{Within: MustParseRange(text)} }
	tests := []struct {
		name   string
		taken  []Range
		count  int
		search Search
		want   string // empty: nothing
	}{
		{"empty set", nil, 100, Search{}, "1-100"},
		{"empty set, all", nil, 65535, Search{}, "1-65535"},
		{"empty set, too many", nil, 65536, Search{}, ""},
		{"full set", rangesOf("1-65535"), 1, Search{}, ""},
		{"one port left", rangesOf("1-40000", "40002-65535"), 1, Search{}, "40001"},
		{"one port left, two wanted", rangesOf("1-40000", "40002-65535"), 2, Search{}, ""},
		{"last port left", rangesOf("1-65534"), 1, Search{}, "65535"},
		{"first port left", rangesOf("2-65535"), 1, Search{}, "1"},
		{"port 0 is no port", rangesOf("2-65535"), 2, Search{}, ""},
		{"first that fits", rangesOf("1-9", "15-19", "30"), 6, Search{}, "20-25"},
		{"across words", rangesOf("1-120", "140-65535"), 19, Search{}, "121-139"},
		{"across pages", rangesOf("1-8000", "12289-65535"), 4288, Search{}, "8001-12288"},
		{"across pages, one more", rangesOf("1-8000", "12289-65535"), 4289, Search{}, ""},

		{"bounded", rangesOf("1005"), 10, within("1000-1020"), "1006-1015"},
		{"bounded, exactly", nil, 21, within("1000-1020"), "1000-1020"},
		{"bounded, one more", nil, 22, within("1000-1020"), ""},
		{"bounded, fits only outside", rangesOf("1005", "1014"), 9, within("1000-1020"), ""},
		{"bounded, runs over the end", rangesOf("1000-1015"), 6, within("1000-1020"), ""},

		{"even", rangesOf("1-50000"), 2, Search{Align: 2}, "50002-50003"},
		{"even, run too short by the odd port", rangesOf("1-50000", "50003-65535"), 2, Search{Align: 2}, ""},
		{"even, crossing words", rangesOf("1-126", "131-65535"), 3, Search{Align: 2}, "128-130"},
		{"even, last ports", rangesOf("1-65533"), 2, Search{Align: 2}, "65534-65535"},
		{"even, last port is odd", rangesOf("1-65534"), 1, Search{Align: 2}, ""},
		{"aligned to 100", rangesOf("50000"), 10, Search{Align: 100, Within: MustParseRange("50000-50999")}, "50100-50109"},
		{"aligned, misaligned runs before", rangesOf("1-99", "100", "200", "300-304"), 50, Search{Align: 100, Within: MustParseRange("100-1000")}, "400-449"},
		{"aligned to the highest port", nil, 1, Search{Align: 65535}, "65535"},
		{"aligned beyond all ports", nil, 1, Search{Align: 65536}, ""},
		{"aligned to the largest int", nil, 1, Search{Align: math.MaxInt}, ""},
		{"aligned to 0 and 1 is any", rangesOf("1"), 1, Search{Align: 1}, "2"},
		{"negative alignment", nil, 1, Search{Align: -1}, ""},
		{"most negative alignment", nil, 1, Search{Align: math.MinInt}, ""},

		{"next", rangesOf("5000-5009"), 5, Search{From: 5000}, "5010-5014"},
		{"next at the place itself", nil, 5, Search{From: 5000}, "5000-5004"},
		{"next wraps around", rangesOf("5000-65535"), 5, Search{From: 5000}, "1-5"},
		{"next wraps and reaches over the start", rangesOf("1-4995", "5001-65535"), 5, Search{From: 4998}, "4996-5000"},
		{"next below the bounds", nil, 5, Search{From: 1, Within: MustParseRange("1000-1020")}, "1000-1004"},
		{"next above the bounds", nil, 5, Search{From: 2000, Within: MustParseRange("1000-1020")}, "1000-1004"},
		{"next near the end of the bounds", nil, 5, Search{From: 1018, Within: MustParseRange("1000-1020")}, "1000-1004"},
		{"next, aligned, wraps", rangesOf("5000-65535"), 4, Search{From: 5000, Align: 1000}, "1000-1003"},
		{"next, all ports but one", rangesOf("7"), 1, Search{From: 7}, "8"},

		{"avoid", rangesOf("1-9"), 5, Search{Avoid: []*PortSet{setOf("12-19"), nil, setOf("21-29", "33")}}, "34-38"},
		{"avoid leaves nothing", rangesOf("1-30000"), 1, Search{Avoid: []*PortSet{setOf("30001-65535")}}, ""},
		{"avoid itself empty", rangesOf("1-9"), 5, Search{Avoid: []*PortSet{new(PortSet)}}, "10-14"},
		{"avoid, even", rangesOf("1-9"), 2, Search{Align: 2, Avoid: []*PortSet{setOf("11", "13")}}, "14-15"},

		{"count 0", nil, 0, Search{}, ""},
		{"count negative", nil, -5, Search{}, ""},
		{"count most negative", nil, math.MinInt, Search{}, ""},
		{"count largest", nil, math.MaxInt, Search{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, slow := newPortSet(t, test.taken...), new(slowSet)
			pool := newPool(t)
			for i, r := range test.taken {
				slow.put(r, true)
				if i%2 == 0 {
					require.True(t, pool.Insert(r, i))
				} else {
					pool.MarkInUse(r)
				}
			}
			got, found := set.FindFree(test.count, test.search)
			require.Equal(t, test.want != "", found)
			if found {
				require.Equal(t, test.want, got.String())
			} else {
				require.Zero(t, got)
			}
			ofPool, found := pool.FindFree(test.count, test.search)
			require.Equal(t, got, ofPool)
			require.Equal(t, test.want != "", found)
			slowly, _ := slow.find(test.count, test.search)
			require.Equal(t, slowly, got, "the reference disagrees with the table")
		})
	}
}

func setOf(texts ...string) *PortSet {
	s := new(PortSet)
	for _, r := range rangesOf(texts...) {
		s.Add(r)
	}
	return s
}

// TestFindFreeWhereNothingIsAligned fills the ports so that every free run is long enough and none
// is aligned, or nearly none: the searches that have to look at most runs.
func TestFindFreeWhereNothingIsAligned(t *testing.T) {
	for _, align := range []int{2, 3, 4, 7, 64, 100} {
		set, slow := newPortSet(t), new(slowSet)
		for port := align; port <= MaxPort; port += align {
			set.Add(RangeOf(uint16(port)))
			slow.put(RangeOf(uint16(port)), true)
		}
		_, found := set.FindFree(1, Search{Align: align})
		require.False(t, found, "align %d", align)

		hole := uint16(60_000 / align * align)
		set.Remove(RangeOf(hole))
		slow.put(RangeOf(hole), false)
		search := Search{Align: align}
		want, _ := slow.find(1, search)
		got, found := set.FindFree(1, search)
		require.True(t, found, "align %d", align)
		require.Equal(t, want, got)
		require.Equal(t, RangeOf(hole), got)
	}
}

// TestFindFreeLeapsBetweenSets has two sets that take turns: every run that is free in one touches
// the other.
func TestFindFreeLeapsBetweenSets(t *testing.T) {
	odd, even := newPortSet(t), newPortSet(t)
	for port := 1; port < MaxPort; port += 2 {
		odd.Add(RangeOf(uint16(port)))
		even.Add(RangeOf(uint16(port + 1)))
	}
	_, found := odd.FindFree(1, Search{Avoid: []*PortSet{even}})
	require.True(t, found, "port 65535 is in neither")
	_, found = odd.FindFree(1, Search{Avoid: []*PortSet{even, setOf("65535")}})
	require.False(t, found)
}
