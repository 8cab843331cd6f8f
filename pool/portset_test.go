package pool

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortSet(t *testing.T) {
	set := newPortSet(t)
	require.Zero(t, set.Len())
	require.False(t, set.Overlaps(AllPorts))

	set.Add(MustParseRange("50000-50099"))
	set.Add(MustParseRange("50050-50149"))
	set.Add(RangeOf(65535))
	require.Equal(t, 151, set.Len())
	require.Equal(t, rangesOf("50000-50149", "65535"), slices.Collect(set.Ranges()))
	require.True(t, set.Contains(50000))
	require.False(t, set.Contains(50150))
	require.True(t, set.Overlaps(MustParseRange("1-50000")))
	require.False(t, set.Overlaps(MustParseRange("50150-65534")))

	set.Remove(MustParseRange("50001-65534"))
	require.Equal(t, []uint16{50000, 65535}, slices.Collect(set.All()))

	set.Clear()
	require.Zero(t, set.Len())
	require.Empty(t, slices.Collect(set.All()))
	set.Add(AllPorts)
	require.Equal(t, 65535, set.Len())
	set.Remove(AllPorts)
	require.Zero(t, set.Len())
	set.Add(RangeOf(1))
	require.Equal(t, 1, set.Len())
}

func TestPortSetHoldsNoPortZero(t *testing.T) {
	set := newPortSet(t)
	set.Add(Range{})
	set.Add(RangeOf(0))
	set.Remove(Range{})
	require.Zero(t, set.Len())
	set.Add(AllPorts)
	set.Remove(Range{})
	require.Equal(t, 65535, set.Len())
	require.False(t, set.Contains(0))
	require.False(t, set.Overlaps(Range{}))
}

func TestPortSetIterationStops(t *testing.T) {
	set := newPortSet(t, rangesOf("10-12", "20-22")...)
	var seen []uint16
	for port := range set.All() {
		if seen = append(seen, port); port == 11 {
			break
		}
	}
	require.Equal(t, []uint16{10, 11}, seen)
	for r := range set.Ranges() {
		require.Equal(t, MustParseRange("10-12"), r)
		break
	}
}

func TestPortSetClonesAreIndependent(t *testing.T) {
	set := newPortSet(t, rangesOf("100-200", "50000-50099")...)
	first := set.Clone()
	set.Remove(MustParseRange("150"))
	second := set.Clone()
	first.Add(MustParseRange("300"))
	second.Clear()
	set.Add(MustParseRange("400"))

	require.Equal(t, rangesOf("100-200", "300", "50000-50099"), slices.Collect(first.Ranges()))
	require.Empty(t, slices.Collect(second.Ranges()))
	require.Equal(t, rangesOf("100-149", "151-200", "400", "50000-50099"), slices.Collect(set.Ranges()))
	checkPortSet(t, first)
	checkPortSet(t, second)
	require.Zero(t, new(PortSet).Clone().Len())
}
