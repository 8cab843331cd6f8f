package statistics

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// A Contest is one piece of work and all who did it.
type Contest struct {
	Group string
	Work  result.Work
	Unit  string

	// Standings has the lowest median first, of those that are reliable; then those that are not,
	// since an answer that fails is not fast. Subjects without a usable sample come last, by name.
	Standings []Standing
}

// A Standing is one subject's place in a contest.
type Standing struct {
	Figure  result.Figure
	Summary Summary

	// Reliable says that at least 99 of 100 attempts succeeded, or that nothing could fail.
	Reliable bool

	// Ratio is the median over that of the fastest, the first of the standings. So it is 1 or more for
	// the reliable if there are any. It is NaN where it means nothing: without a sample, or where
	// either median is not above 0.
	Ratio float64

	// Noise says that the difference from the fastest is below noise. It is false for the fastest, and
	// where there are fewer than four samples a side: so few cannot show noise. What is exact, such as
	// the size of something, is measured once.
	Noise bool
}

// Contests returns the contests of a run in the order in which they first occur in figures. Figures
// of the same work in another unit are a contest of their own.
func Contests(figures []result.Figure) []Contest {
	type key struct {
		group string
		work  result.Work
		unit  string
	}
	places := map[key]int{}
	var contests []Contest
	for _, figure := range figures {
		k := key{figure.Group, figure.Work, figure.Unit}
		place, ok := places[k]
		if !ok {
			place = len(contests)
			places[k] = place
			contests = append(contests, Contest{Group: figure.Group, Work: figure.Work, Unit: figure.Unit})
		}
		standing := Standing{Figure: figure, Summary: Summarize(figure.Samples), Reliable: reliable(figure)}
		contests[place].Standings = append(contests[place].Standings, standing)
	}
	for _, contest := range contests {
		rank(contest.Standings)
	}
	return contests
}

// rank sorts standings and compares each with the first.
func rank(standings []Standing) {
	slices.SortStableFunc(standings, func(a, b Standing) int {
		return cmp.Or(
			cmp.Compare(last(a), last(b)),
			cmp.Compare(a.Summary.Median, b.Summary.Median),
			cmp.Compare(a.Figure.Subject, b.Figure.Subject),
		)
	})
	for i := range standings {
		fastest, this := &standings[0], &standings[i]
		this.Ratio = Ratio(this.Summary.Median, fastest.Summary.Median)
		enough := min(fastest.Summary.Count, this.Summary.Count) >= fewestSamples
		this.Noise = i > 0 && enough && !Differ(fastest.Figure.Samples, this.Figure.Samples)
	}
}

// last is higher for what stands behind all with a lower one.
func last(s Standing) int {
	switch {
	case s.Summary.Count == 0:
		return 2
	case !s.Reliable:
		return 1
	}
	return 0
}

func reliable(f result.Figure) bool {
	return f.Attempts == 0 || float64(f.Successes) >= 0.99*float64(f.Attempts)
}

// Ratio returns a over b, or NaN unless both are above 0.
func Ratio(a, b float64) float64 {
	if !(a > 0 && b > 0) { // so that NaN ends here too
		return math.NaN()
	}
	return a / b
}
