package statistics

import (
	"math"
	"slices"
)

// Significance is how likely a difference may be by chance alone and still be called one, as in
// benchstat.
const Significance = 0.05

// Differ reports whether two lists of samples differ by more than noise: whether p of [MannWhitney]
// is below [Significance]. Fewer than four samples a side can never differ, however far apart.
func Differ(a, b []float64) bool {
	return MannWhitney(a, b) < Significance
}

// fewestSamples is how many samples a side can differ at all: three a side that do not touch have a p
// value of 0.1.
const fewestSamples = 4

// exactSamples is the number of samples up to which p is counted out; above it the normal
// approximation is good to more digits than anybody reads.
const exactSamples = 60

// MannWhitney returns the two-sided p value of the Mann-Whitney U test: how likely two lists drawn
// from one distribution lie at least as far apart as these do. It asks nothing of the distribution.
// Up to 60 samples in all it is exact, with ties too. It is 1 if a list has no usable sample.
func MannWhitney(a, b []float64) float64 {
	a, b = usable(a), usable(b)
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	if len(a) > len(b) {
		a, b = b, a // the p value is the same, and the smaller list is quicker to count out
	}
	ranks, ties := doubledRanks(a, b)
	sum := 0
	for _, rank := range ranks[:len(a)] {
		sum += rank
	}
	if len(ranks) <= exactSamples {
		return exact(ranks, len(a), sum)
	}
	return normal(len(a), len(b), sum, ties)
}

// doubledRanks returns twice the rank of every sample, those of a before those of b. Equal samples
// share the mean of their ranks, and twice a mean of whole ranks that follow each other is whole.
// Ties is the sum of t³-t over each set of t equal samples.
func doubledRanks(a, b []float64) (ranks []int, ties float64) {
	all := slices.Concat(a, b)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case all[i] < all[j]:
			return -1
		case all[i] > all[j]:
			return 1
		}
		return 0
	})
	ranks = make([]int, len(all))
	for first := 0; first < len(order); {
		last := first
		for last+1 < len(order) && all[order[last+1]] == all[order[first]] {
			last++
		}
		for _, sample := range order[first : last+1] {
			ranks[sample] = first + last + 2 // ranks count from 1
		}
		t := float64(last - first + 1)
		ties += t*t*t - t
		first = last + 1
	}
	return ranks, ties
}

// exact counts, over all ways to draw n of the ranks, those whose sum is at least as far from the
// expected one as sum is.
func exact(ranks []int, n, sum int) float64 {
	total := 0
	for _, rank := range ranks {
		total += rank
	}
	ways := make([][]float64, n+1) // by the number of ranks drawn and their sum
	for drawn := range ways {
		ways[drawn] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for _, rank := range ranks {
		for drawn := n; drawn > 0; drawn-- {
			for s := total; s >= rank; s-- {
				ways[drawn][s] += ways[drawn-1][s-rank]
			}
		}
	}
	// The expected sum is total*n/len(ranks); distances are compared times len(ranks), to stay whole.
	distance := func(s int) int { return absolute(s*len(ranks) - total*n) }
	var all, far float64
	for s, count := range ways[n] {
		all += count
		if distance(s) >= distance(sum) {
			far += count
		}
	}
	return far / all
}

// normal approximates p, with corrections for ties and for continuity.
func normal(n, m, sum int, ties float64) float64 {
	first, second := float64(n), float64(m)
	all := first + second
	u := float64(sum)/2 - first*(first+1)/2
	variance := first * second / 12 * (all + 1 - ties/(all*(all-1)))
	if variance <= 0 {
		return 1 // all samples are equal
	}
	z := max(0, math.Abs(u-first*second/2)-0.5) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2)
}

func absolute(i int) int {
	if i < 0 {
		return -i
	}
	return i
}
