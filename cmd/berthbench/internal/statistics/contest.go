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

	// Standings has the lowest median first. Subjects without a usable sample come last, by name.
	Standings []Standing
}

// A Standing is one subject's place in a contest.
type Standing struct {
	Figure  result.Figure
	Summary Summary

	// Ratio is the median over that of the fastest, so 1 or more. It is NaN where it means nothing:
	// without a sample, or where either median is not above 0.
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
		standing := Standing{Figure: figure, Summary: Summarize(figure.Samples)}
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
			cmp.Compare(empty(a), empty(b)),
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

func empty(s Standing) int {
	if s.Summary.Count == 0 {
		return 1
	}
	return 0
}

// Ratio returns a over b, or NaN unless both are above 0.
func Ratio(a, b float64) float64 {
	if !(a > 0 && b > 0) { // so that NaN ends here too
		return math.NaN()
	}
	return a / b
}
