package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A cast is who takes part in a group, and how each is drawn.
type cast struct {
	subjects []string        // the most important one first: Berth, then those with the lowest cost
	leading  []string        // those with a look of their own in this group
	looks    map[string]look // of the whole run
}

func (c cast) look(subject string) look {
	if slices.Contains(c.leading, subject) {
		return c.looks[subject]
	}
	return lookBehind
}

// casts returns the cast of the lines of each group.
func casts(groups []group) []cast {
	all := make([]cast, len(groups))
	var troupes []troupe
	for i, g := range groups {
		families := g.mainFamilies()
		var contests []statistics.Contest
		for _, f := range families {
			contests = append(contests, f.contests...)
		}
		all[i].subjects = byImportance(contests)
		all[i].leading = all[i].subjects[:min(maxHighlighted, len(all[i].subjects))]
		if len(families) > 0 {
			troupes = append(troupes, troupe{all[i].leading, len(families)})
		}
	}
	run := looks(troupes)
	for i := range all {
		all[i].looks = run
	}
	return all
}

// byImportance returns everybody who takes part in the contests: Berth first, then by the geometric
// mean of how many times the fastest's cost theirs is.
func byImportance(contests []statistics.Contest) []string {
	type score struct{ sum, count float64 }
	scores := map[string]score{}
	var subjects []string
	for _, contest := range contests {
		for _, standing := range contest.Standings {
			subject := standing.Figure.Subject
			s, known := scores[subject]
			if !known {
				subjects = append(subjects, subject)
			}
			if drawable(standing.Ratio) {
				s.sum += math.Log(standing.Ratio)
				s.count++
			}
			scores[subject] = s
		}
	}
	mean := func(subject string) float64 {
		if subject == berth {
			return -1 // before a mean of 0, that of one who is always the fastest
		}
		s := scores[subject]
		if s.count == 0 {
			return math.Inf(1)
		}
		return s.sum / s.count
	}
	slices.SortFunc(subjects, func(a, b string) int {
		return cmp.Or(cmp.Compare(mean(a), mean(b)), cmp.Compare(a, b))
	})
	return subjects
}
