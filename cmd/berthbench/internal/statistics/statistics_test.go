package statistics_test

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

func TestSummarize(t *testing.T) {
	nan, infinite := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		name    string
		samples []float64
		want    statistics.Summary
	}{
		{"one", []float64{7}, statistics.Summary{Count: 1, Minimum: 7, Lower: 7, Median: 7, Upper: 7, Maximum: 7}},
		{"odd", []float64{3, 1, 2}, statistics.Summary{Count: 3, Minimum: 1, Lower: 1.5, Median: 2, Upper: 2.5, Maximum: 3}},
		{"even", []float64{4, 1, 3, 2}, statistics.Summary{Count: 4, Minimum: 1, Lower: 1.75, Median: 2.5, Upper: 3.25, Maximum: 4}},
		{"outliers in their order", []float64{90, 10, 11, 12, 11, 10, 12, 11, -70}, statistics.Summary{
			Count: 9, Minimum: -70, Lower: 10, Median: 11, Upper: 12, Maximum: 90, Outliers: []float64{90, -70},
		}},
		{"equal samples and one apart", []float64{5, 5, 5, 5, 6}, statistics.Summary{
			Count: 5, Minimum: 5, Lower: 5, Median: 5, Upper: 5, Maximum: 6, Outliers: []float64{6},
		}},
		{"no numbers between numbers", []float64{nan, 2, infinite, -infinite}, statistics.Summary{
			Count: 1, Unusable: 3, Minimum: 2, Lower: 2, Median: 2, Upper: 2, Maximum: 2,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, statistics.Summarize(test.samples))
		})
	}
}

func TestSummarizeNothing(t *testing.T) {
	for _, samples := range [][]float64{nil, {}, {math.NaN()}} {
		s := statistics.Summarize(samples)
		require.Zero(t, s.Count)
		require.Equal(t, len(samples), s.Unusable)
		require.Empty(t, s.Outliers)
		for _, number := range []float64{s.Minimum, s.Lower, s.Median, s.Upper, s.Maximum, s.Spread()} {
			require.True(t, math.IsNaN(number))
		}
	}
}

func TestSummaryIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64(), 1, 50).Draw(t, "samples")
		before := slices.Clone(samples)
		s := statistics.Summarize(samples)
		require.Equal(t, before, samples)
		require.Equal(t, len(samples), s.Count+s.Unusable)
		if s.Count == 0 {
			return
		}
		require.True(t, s.Minimum <= s.Lower && s.Lower <= s.Median && s.Median <= s.Upper && s.Upper <= s.Maximum, "%+v", s)
		for _, outlier := range s.Outliers {
			require.True(t, outlier < s.Lower || outlier > s.Upper)
		}
	})
}

func TestSpread(t *testing.T) {
	require.InDelta(t, 0.25, statistics.Summarize([]float64{1, 2, 3}).Spread(), 1e-12)
	require.Zero(t, statistics.Summarize([]float64{4, 4, 4}).Spread())
	require.True(t, math.IsNaN(statistics.Summarize([]float64{0, 0}).Spread()))
}

// The p values are those of R's wilcox.test (exact) for samples without ties.
func TestMannWhitneyKnown(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}
	require.InDelta(t, 2.0/252, statistics.MannWhitney(low, high), 1e-12)
	require.InDelta(t, 1, statistics.MannWhitney([]float64{1, 4}, []float64{2, 3}), 1e-12)
	require.InDelta(t, 2.0/20, statistics.MannWhitney(low[:3], high[:3]), 1e-12)

	require.True(t, statistics.Differ(low, high))
	require.True(t, statistics.Differ(low[:4], high[:4]))
	require.False(t, statistics.Differ(low[:3], high[:3]), "three samples a side are too few to tell")
	require.False(t, statistics.Differ(low, low))
	require.False(t, statistics.Differ(nil, high))
	require.False(t, statistics.Differ([]float64{math.NaN()}, high))
	require.Equal(t, 1.0, statistics.MannWhitney([]float64{5, 5, 5}, []float64{5, 5, 5}))
}

// TestMannWhitneyAgainstEnumeration draws small lists with many ties and compares with every way to
// split them, counted one by one.
func TestMannWhitneyAgainstEnumeration(t *testing.T) {
	value := rapid.Map(rapid.IntRange(0, 6), func(i int) float64 { return float64(i) })
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(value, 1, 6).Draw(t, "a")
		b := rapid.SliceOfN(value, 1, 6).Draw(t, "b")
		p := statistics.MannWhitney(a, b)
		require.InDelta(t, enumerate(a, b), p, 1e-9)
		require.InDelta(t, p, statistics.MannWhitney(b, a), 1e-12)
	})
}

// enumerate is the obvious test: of all splits, how many have a U as far from its mean as this one.
func enumerate(a, b []float64) float64 {
	all := slices.Concat(a, b)
	extreme := func(set uint) float64 {
		u := 0.0
		for i, x := range all {
			for j, y := range all {
				if set>>i&1 == 1 && set>>j&1 == 0 {
					switch {
					case x > y:
						u++
					case x == y:
						u += 0.5
					}
				}
			}
		}
		return math.Abs(u - float64(len(a)*len(b))/2)
	}
	this := extreme(1<<len(a) - 1)
	var ways, far float64
	for set := uint(0); set < 1<<len(all); set++ {
		if bits.OnesCount(set) != len(a) {
			continue
		}
		ways++
		if extreme(set) >= this {
			far++
		}
	}
	return far / ways
}

// TestMannWhitneyApproximation holds the approximation for many samples to the exact count for nearly
// as many: with 30 a side it is exact, with 31 it is not.
func TestMannWhitneyApproximation(t *testing.T) {
	list := func(n int, shift float64) []float64 {
		samples := make([]float64, n)
		for i := range samples {
			samples[i] = math.Mod(float64(i)*0.6180339887, 1) + shift
		}
		return samples
	}
	for _, shift := range []float64{0, 0.05, 0.1, 0.2} {
		exact := statistics.MannWhitney(list(30, 0), list(30, shift))
		approximate := statistics.MannWhitney(list(31, 0), list(31, shift))
		require.InDelta(t, exact, approximate, 0.03)
	}
	require.True(t, statistics.Differ(list(100, 0), list(100, 0.5)))
	require.Equal(t, 1.0, statistics.MannWhitney(make([]float64, 40), make([]float64, 40)))
}

func TestContests(t *testing.T) {
	any1, any2 := result.Work{Name: "blocks=10", Blocks: 10}, result.Work{Name: "blocks=100", Blocks: 100}
	figure := func(work result.Work, subject string, samples ...float64) result.Figure {
		return result.Figure{Group: "any", Work: work, Subject: subject, Unit: "ns/op", Samples: samples}
	}
	contests := statistics.Contests([]result.Figure{
		figure(any2, "slow", 40, 41, 42, 43, 44),
		figure(any1, "none"),
		figure(any2, "fast", 10, 11, 12, 13, 14),
		figure(any2, "like fast", 10.5, 11.5, 12.5, 13.5, 13.9),
		figure(any1, "alone", 5),
		{Group: "any", Work: any1, Subject: "alone", Unit: "B/block", Samples: []float64{16}},
		{Group: "any", Work: any1, Subject: "larger", Unit: "B/block", Samples: []float64{24}},
	})
	require.Len(t, contests, 3)

	require.Equal(t, any2, contests[0].Work)
	standings := contests[0].Standings
	require.Equal(t, "fast", standings[0].Figure.Subject)
	require.Equal(t, 1.0, standings[0].Ratio)
	require.False(t, standings[0].Noise)
	require.Equal(t, "like fast", standings[1].Figure.Subject)
	require.True(t, standings[1].Noise)
	require.Equal(t, "slow", standings[2].Figure.Subject)
	require.Equal(t, 3.5, standings[2].Ratio)
	require.False(t, standings[2].Noise)

	require.Equal(t, "alone", contests[1].Standings[0].Figure.Subject)
	require.Equal(t, "none", contests[1].Standings[1].Figure.Subject)
	require.True(t, math.IsNaN(contests[1].Standings[1].Ratio))
	require.False(t, contests[1].Standings[1].Noise)
	require.Equal(t, "B/block", contests[2].Unit)
	require.Equal(t, 1.5, contests[2].Standings[1].Ratio)
	require.False(t, contests[2].Standings[1].Noise, "one sample cannot show noise")

	require.Empty(t, statistics.Contests(nil))
}

func TestUnreliableAreNotTheFastest(t *testing.T) {
	figure := func(subject string, successes int, samples ...float64) result.Figure {
		return result.Figure{Group: "udp-port", Subject: subject, Unit: "ns/op", Attempts: 1000, Successes: successes, Samples: samples}
	}
	standings := statistics.Contests([]result.Figure{
		figure("fails", 10, 5, 5, 5, 5, 5),
		figure("never measured", 0),
		figure("slow", 1000, 40, 40, 40, 40, 40),
		figure("fails once", 990, 20, 20, 20, 20, 20),
		figure("fails too often", 989, 10, 10, 10, 10, 10),
	})[0].Standings
	var order []string
	for _, s := range standings {
		order = append(order, s.Figure.Subject)
	}
	require.Equal(t, []string{"fails once", "slow", "fails", "fails too often", "never measured"}, order)
	require.True(t, standings[0].Reliable)
	require.False(t, standings[2].Reliable)
	require.Equal(t, 0.25, standings[2].Ratio)
}

func TestRatio(t *testing.T) {
	require.Equal(t, 2.0, statistics.Ratio(6, 3))
	for _, pair := range [][2]float64{{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {math.NaN(), 1}, {1, math.NaN()}} {
		require.True(t, math.IsNaN(statistics.Ratio(pair[0], pair[1])), "%v", pair)
	}
}
