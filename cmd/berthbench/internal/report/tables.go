package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

func tableOf(contest statistics.Contest) table {
	t := table{Caption: caption(contest.Work.Name), Description: contest.Work.Description, Ratio: toBest(contest.Unit)}
	most := 0
	for _, standing := range contest.Standings {
		most = max(most, standing.Summary.Count)
	}
	for _, standing := range contest.Standings {
		t.Jobs = t.Jobs || standing.Figure.Attempts > 0
		t.Rows = append(t.Rows, rowOf(standing, most))
	}
	return t
}

// toBest names the column of ratios.
func toBest(unit string) string {
	if base, _, _ := strings.Cut(unit, "/"); base == "B" {
		return "To smallest"
	}
	return "To fastest"
}

func rowOf(s statistics.Standing, most int) row {
	r := row{
		Subject: s.Figure.Subject,
		Median:  quantity.Format(s.Summary.Median, s.Figure.Unit),
		Spread:  quantity.None,
		Ratio:   quantity.Ratio(s.Ratio),
		Runs:    quantity.Count(s.Summary.Count),
		Success: success(s),
		Facts:   strings.Join(s.Figure.Properties, "; "),
		Berth:   s.Figure.Subject == berth,
		Fails:   s.Figure.Attempts > 0 && fails(s),
		Noise:   s.Noise,
		Short:   s.Summary.Count < most,
	}
	if spread := s.Summary.Spread(); s.Summary.Count > 1 && !math.IsNaN(spread) {
		r.Spread = "± " + quantity.Percent(spread)
	}
	if apart := len(s.Summary.Outliers); apart > 0 {
		r.Runs += fmt.Sprintf(", %d apart", apart)
	}
	return r
}

// gridOf lays a family out. Subjects are sorted by their median at the greatest value that they have.
func gridOf(f family) grid {
	g := grid{Caption: caption(f.rest)}
	if g.Caption == "" {
		g.Caption = "Over " + f.dimension.title
	}
	type entry struct {
		row  gridRow
		last int // the place of the last cell that is not empty
		cost float64
	}
	entries := map[string]*entry{}
	for i, contest := range f.contests {
		g.Columns = append(g.Columns, caption(f.dimension.key+"="+fmt.Sprint(f.dimension.of(contest.Work))))
		for place, standing := range contest.Standings {
			subject := standing.Figure.Subject
			if entries[subject] == nil {
				cells := make([]cell, len(f.contests))
				entries[subject] = &entry{row: gridRow{Subject: subject, Berth: subject == berth, Cells: cells}}
			}
			entries[subject].row.Cells[i] = cellOf(standing, place == 0)
			entries[subject].last, entries[subject].cost = i, standing.Summary.Median
		}
	}
	var sorted []*entry
	for _, e := range entries {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(b.last, a.last), cmp.Compare(a.cost, b.cost), cmp.Compare(a.row.Subject, b.row.Subject))
	})
	for _, e := range sorted {
		g.Rows = append(g.Rows, e.row)
	}
	return g
}

func cellOf(s statistics.Standing, first bool) cell {
	detail := quantity.Ratio(s.Ratio)
	if s.Noise {
		detail = "~ " + detail
	}
	if spread := s.Summary.Spread(); s.Summary.Count > 1 && !math.IsNaN(spread) {
		detail += " · ± " + quantity.Percent(spread)
	}
	return cell{Median: quantity.Format(s.Summary.Median, s.Figure.Unit), Detail: detail, First: first && s.Summary.Count > 0}
}
