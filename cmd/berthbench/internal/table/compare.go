package table

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A change is one figure in two runs.
type change struct {
	before, after result.Figure
	old, new      statistics.Summary
	p             float64
}

// ratio is how many times the new median is the old one.
func (c change) ratio() float64 { return statistics.Ratio(c.new.Median, c.old.Median) }

// size orders changes: how far the ratio is from 1, either way.
func (c change) size() float64 {
	if ratio := c.ratio(); !math.IsNaN(ratio) {
		return math.Abs(math.Log(ratio))
	}
	return 0
}

// Compare prints the figures that two runs share and that differ by more than noise, or all of them,
// the largest change first.
func Compare(w io.Writer, before, after *result.Run, all bool) error {
	changes := changesBetween(before, after)
	shown := changes
	if !all {
		isNoise := func(c change) bool { return c.p >= statistics.Significance }
		shown = slices.DeleteFunc(slices.Clone(changes), isNoise)
	}
	slices.SortStableFunc(shown, func(a, b change) int { return cmp.Compare(b.size(), a.size()) })

	var text strings.Builder
	fmt.Fprintf(&text, "old: %s\nnew: %s\n", before.Line(), after.Line())
	if len(shown) > 0 {
		text.WriteByte('\n')
		printChanges(&text, shown)
	}
	fmt.Fprintf(&text, "\n%d figures are in both runs", len(changes))
	if hidden := len(changes) - len(shown); hidden > 0 {
		fmt.Fprintf(&text, ", %d of them with a difference below noise", hidden)
	}
	text.WriteString(".\n")
	_, err := io.WriteString(w, text.String())
	return err
}

// changesBetween returns the figures that both runs have, in the order of the new one.
func changesBetween(before, after *result.Run) []change {
	type key struct{ group, work, subject, unit string }
	keyOf := func(f result.Figure) key { return key{f.Group, f.Work.Name, f.Subject, f.Unit} }
	old := make(map[key]result.Figure)
	for _, figure := range before.Figures {
		old[keyOf(figure)] = figure
	}
	var changes []change
	for _, figure := range after.Figures {
		if was, known := old[keyOf(figure)]; known {
			changes = append(changes, change{
				before: was, after: figure,
				old: statistics.Summarize(was.Samples), new: statistics.Summarize(figure.Samples),
				p: statistics.MannWhitney(was.Samples, figure.Samples),
			})
		}
	}
	return changes
}

func printChanges(w io.Writer, changes []change) {
	rows := [][]string{{"figure", "old", "", "new", "", "change", "p", ""}}
	for _, c := range changes {
		f := c.after
		rows = append(rows, []string{
			fmt.Sprintf("%s/%s  %s", f.Group, f.Work.Name, f.Subject),
			Quantity(c.old.Median, f.Unit), spread(c.old), Quantity(c.new.Median, f.Unit), spread(c.new),
			percent(c.ratio()), fmt.Sprintf("%.3f", c.p), successes(c.before, f),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := padded(row[0], widths[0])
		last := len(row) - 1
		for i, cell := range row[1:last] {
			line += "  " + strings.Repeat(" ", widths[i+1]-utf8.RuneCountInString(cell)) + cell
		}
		fmt.Fprintln(w, strings.TrimRight(line+"  "+row[last], " "))
	}
}

// percent returns a ratio as a change: "+12%", "-50%", and what is far up as "8.00×".
func percent(ratio float64) string {
	switch {
	case math.IsNaN(ratio):
		return "–"
	case ratio >= 3:
		return significant(ratio) + "×"
	}
	return fmt.Sprintf("%+.1f%%", 100*(ratio-1))
}

// successes says how the share of successes changed, if it did.
func successes(before, after result.Figure) string {
	if before.Attempts == 0 || after.Attempts == 0 {
		return ""
	}
	was, is := share(before.Successes, before.Attempts), share(after.Successes, after.Attempts)
	if was == is {
		return ""
	}
	return fmt.Sprintf("%s to %s succeed", was, is)
}
