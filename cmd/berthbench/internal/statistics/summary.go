// Package statistics says what samples say: their middle, their spread, which of them lie apart, and
// whether one list of them differs from another by more than noise. The table and the report both
// take their figures from here, so that they cannot disagree.
package statistics

import (
	"math"
	"slices"
)

// A Summary is what one list of samples says. With no usable sample every number in it is NaN.
type Summary struct {
	Count    int // usable samples
	Unusable int // samples that are not numbers or infinite; they count for nothing else here

	Minimum float64
	Lower   float64 // first quartile
	Median  float64
	Upper   float64 // third quartile
	Maximum float64

	// Outliers are the samples, in their order, that lie more than 1.5 interquartile ranges below
	// Lower or above Upper (Tukey's fences). They are in all other numbers too: nothing is thrown away.
	Outliers []float64
}

// fence is how many interquartile ranges from the box a sample may lie (Tukey, Exploratory Data
// Analysis, 1977).
const fence = 1.5

// Summarize leaves samples as they are.
func Summarize(samples []float64) Summary {
	sorted := usable(samples)
	slices.Sort(sorted)
	s := Summary{
		Count:    len(sorted),
		Unusable: len(samples) - len(sorted),
		Minimum:  quantile(sorted, 0),
		Lower:    quantile(sorted, 0.25),
		Median:   quantile(sorted, 0.5),
		Upper:    quantile(sorted, 0.75),
		Maximum:  quantile(sorted, 1),
	}
	reach := fence * (s.Upper - s.Lower)
	for _, sample := range usable(samples) {
		if sample < s.Lower-reach || sample > s.Upper+reach {
			s.Outliers = append(s.Outliers, sample)
		}
	}
	return s
}

// Spread is half of the interquartile range as a share of the median: 0.03 reads "± 3 %". It is NaN
// where there is no sample or the median is 0.
func (s Summary) Spread() float64 {
	if s.Count == 0 || s.Median == 0 {
		return math.NaN()
	}
	return (s.Upper - s.Lower) / 2 / math.Abs(s.Median)
}

// quantile interpolates between the two nearest samples, as R and spreadsheets do (Hyndman and Fan's
// type 7).
func quantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	position := share * float64(len(sorted)-1)
	below := int(position)
	above := min(below+1, len(sorted)-1)
	part := position - float64(below)
	// Each end is weighted by itself, as their difference could overflow; and rounding must not carry
	// the result past either, or equal samples would have a box with an inside.
	between := sorted[below]*(1-part) + sorted[above]*part
	return min(max(between, sorted[below]), sorted[above])
}

func usable(samples []float64) []float64 {
	kept := make([]float64, 0, len(samples))
	for _, sample := range samples {
		if !math.IsNaN(sample) && !math.IsInf(sample, 0) {
			kept = append(kept, sample)
		}
	}
	return kept
}
