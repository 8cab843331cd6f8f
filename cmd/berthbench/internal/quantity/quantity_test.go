package quantity_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
)

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		value float64
		unit  string
		want  string
	}{
		{4.2345, "ns/op", "4.23 ns"},
		{42.345, "ns/op", "42.3 ns"},
		{423.45, "ns/op", "423 ns"},
		{999.4, "ns/op", "999 ns"},
		{999.9, "ns/op", "1.00 µs"},
		{15_900, "ns/op", "15.9 µs"},
		{0.25, "ns/op", "0.25 ns"},
		{0.0025, "ns/op", "0.0025 ns"},
		{2.5e9, "ns/op", "2.50 s"},
		{2.5e15, "ns/op", "2.5e+06 s"},
		{0, "ns/op", "0 ns"},
		{-1500, "ns/op", "-1.50 µs"},
		{16, "B/block", "16.0 B"},
		{8192, "B/block", "8.19 kB"},
		{12.5, "ports", "12.5 ports"},
		{12.5, "", "12.5"},
		{math.NaN(), "ns/op", "–"},
		{math.Inf(-1), "ns/op", "–"},
	} {
		require.Equal(t, test.want, quantity.Format(test.value, test.unit))
	}
}

func TestMark(t *testing.T) {
	require.Equal(t, "1 ns", quantity.Mark(1, "ns/op"))
	require.Equal(t, "100 µs", quantity.Mark(1e5, "ns/op"))
	require.Equal(t, "0.5 ns", quantity.Mark(0.5, "ns/op"))
	require.Equal(t, "20 B", quantity.Mark(20, "B/block"))
}

func TestRatio(t *testing.T) {
	require.Equal(t, "1.00×", quantity.Ratio(1))
	require.Equal(t, "23.4×", quantity.Ratio(23.44))
	require.Equal(t, "8,190×", quantity.Ratio(8190.4))
	require.Equal(t, "1e+15×", quantity.Ratio(1e15))
	require.Equal(t, "–", quantity.Ratio(math.NaN()))
}

func TestPercent(t *testing.T) {
	require.Equal(t, "0 %", quantity.Percent(0))
	require.Equal(t, "<1 %", quantity.Percent(0.004))
	require.Equal(t, "35 %", quantity.Percent(0.352))
	require.Equal(t, "99.99 %", quantity.Percent(0.99999))
	require.Equal(t, "100 %", quantity.Percent(1))
	require.Equal(t, "–", quantity.Percent(math.NaN()))
}

func TestCount(t *testing.T) {
	require.Equal(t, "0", quantity.Count(0))
	require.Equal(t, "999", quantity.Count(999))
	require.Equal(t, "1,000", quantity.Count(1000))
	require.Equal(t, "-1,234,567", quantity.Count(-1234567))
	require.Equal(t, "-9,223,372,036,854,775,808", quantity.Count(math.MinInt))
}
