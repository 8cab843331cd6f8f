package report

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A family is work that differs in one dimension alone: what one plot of lines shows.
type family struct {
	dimension dimension
	unit      string
	rest      string               // the name of the work without the part that differs
	contests  []statistics.Contest // in the order of the dimension
}

// families returns the families of two or more contests of one group along a dimension, in the order
// in which they begin.
func families(contests []statistics.Contest, along dimension) []family {
	var all []family
	places := map[[2]string]int{} // by name and unit
	for _, contest := range contests {
		if along.of(contest.Work) < 1 {
			continue
		}
		rest := without(contest.Work.Name, along.key)
		place, known := places[[2]string{rest, contest.Unit}]
		if !known {
			place = len(all)
			places[[2]string{rest, contest.Unit}] = place
			all = append(all, family{dimension: along, unit: contest.Unit, rest: rest})
		}
		all[place].contests = append(all[place].contests, contest)
	}
	for _, f := range all {
		slices.SortStableFunc(f.contests, func(a, b statistics.Contest) int {
			return cmp.Compare(along.of(a.Work), along.of(b.Work))
		})
	}
	return slices.DeleteFunc(all, func(f family) bool {
		return along.of(f.contests[0].Work) == along.of(f.contests[len(f.contests)-1].Work)
	})
}

// without returns the name of a piece of work without one of its parts: without("blocks=10/width=1",
// "blocks") is "width=1".
func without(name, key string) string {
	parts := strings.Split(name, "/")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		return strings.HasPrefix(part, key+"=")
	}), "/")
}

// values returns the values of the dimension that were measured, each once.
func (f family) values() []int {
	values := make([]int, len(f.contests))
	for i, contest := range f.contests {
		values[i] = f.dimension.of(contest.Work)
	}
	return slices.Compact(values)
}

// valueSpan returns the least and the greatest value.
func (f family) valueSpan() span {
	values := f.values()
	return span{float64(values[0]), float64(values[len(values)-1])}
}

// costs returns the span of all that a plot of the family shows: quartiles, medians and outliers.
func (f family) costs() span {
	var costs span
	for _, contest := range f.contests {
		costs = costs.over(contest)
	}
	return costs
}

// over returns the span with all that a plot shows of a contest in it.
func (s span) over(contest statistics.Contest) span {
	for _, standing := range contest.Standings {
		if !drawable(standing.Summary.Median) {
			continue
		}
		for _, value := range append(standing.Summary.Outliers, standing.Summary.Lower, standing.Summary.Median, standing.Summary.Upper) {
			s = s.with(value)
		}
	}
	return s
}

// shown is what the plot that stands for a group shows if it can: queries as wide as a small block of
// media ports, half of which hit, among a thousand blocks.
var shown = []struct {
	key   string
	value float64
}{{"width", 16}, {"hit", 50}, {"blocks", 1000}}

// representative returns the place of the family that stands for all: the one that most took part
// in, of those the one nearest to shown, of those the first.
func representative(families []family) int {
	best := 0
	for i := range families {
		order := cmp.Or(
			cmp.Compare(families[i].size(), families[best].size()),
			-cmp.Compare(distance(families[i].rest), distance(families[best].rest)),
		)
		if order > 0 {
			best = i
		}
	}
	return best
}

func (f family) size() int {
	size := 0
	for _, contest := range f.contests {
		size += len(contest.Standings)
	}
	return size
}

// distance tells how far work is from shown. Work that differs in more ways than those is farther.
func distance(name string) float64 {
	const elsewhere = 100
	far := 0.0
	for _, part := range strings.Split(name, "/") {
		key, text, _ := strings.Cut(part, "=")
		value, err := strconv.ParseFloat(text, 64)
		known := false
		for _, wanted := range shown {
			if key == wanted.key && err == nil {
				known = true
				far += math.Abs(math.Log((value + 1) / (wanted.value + 1)))
			}
		}
		if !known && part != "" {
			far += elsewhere
		}
	}
	return far
}

// wording says what the parts of names mean.
var wording = map[string]func(value string) string{
	"blocks":     func(v string) string { return counted(v, "block") },
	"records":    func(v string) string { return counted(v, "record") },
	"writers":    func(v string) string { return counted(v, "writer") },
	"goroutines": func(v string) string { return counted(v, "reader") },
	"width":      func(v string) string { return counted(v, "port") },
	"hit":        func(v string) string { return v + " % hit" },
	"reads":      func(v string) string { return "a change every " + counted(v, "read") },
	"fits":       fits,
	"full":       func(v string) string { return v + " % full" },
}

// caption says the name of a piece of work in words: "width=16/hit=50" is "16 ports · 50 % hit".
func caption(name string) string {
	var words []string
	for _, part := range strings.Split(name, "/") {
		key, value, paired := strings.Cut(part, "=")
		switch say, known := wording[key]; {
		case paired && known:
			words = append(words, say(value))
		case paired:
			words = append(words, key+" "+grouped(value))
		case part != "":
			words = append(words, part)
		}
	}
	return strings.Join(words, " · ")
}

// fits says where a search finds what it looks for.
func fits(place string) string {
	if place == "no" {
		return "fits nowhere"
	}
	return "fits at the " + place
}

func counted(number, noun string) string {
	if number == "1" {
		return "1 " + noun
	}
	return grouped(number) + " " + noun + "s"
}

func grouped(number string) string {
	if n, err := strconv.Atoi(number); err == nil {
		return quantity.Count(n)
	}
	return number
}
