// Package table prints what a run found for a terminal: a panel for each kind of work, a row for each
// subject, a column for each size of the work.
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

// Legend explains the marks of a table.
const Legend = `Each cell is the median, the spread (half of the interquartile range), and the ratio to the fastest of
its column. ~ differs from the fastest by less than noise (Mann-Whitney, p >= 0.05). ° has outliers, more
than 1.5 interquartile ranges off. – cannot be done by this subject, or was not measured. Lower is better.
A percentage behind a ratio is how many attempts succeeded; who fails more than one of 100 is not the fastest.`

// Write prints the figures of a run in lines of at most width characters, as far as one column fits.
func Write(w io.Writer, run *result.Run, width int) error {
	var text strings.Builder
	for _, panel := range panels(run) {
		for _, part := range panel.split(width) {
			part.print(&text)
			text.WriteByte('\n')
		}
	}
	if len(run.Figures) > 0 {
		text.WriteString(Legend + "\n")
		printProperties(&text, run.Figures)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// A panel is the contests that differ in one parameter alone.
type panel struct {
	title   string   // what they have in common
	note    string   // the description of the work, if there is only one
	others  []string // who could have taken part but for lack of a method or a system
	columns []column
}

type column struct {
	head    string
	contest statistics.Contest
}

// panels groups contests that differ in one parameter.
func panels(run *result.Run) []*panel {
	byTitle := make(map[string]*panel)
	var all []*panel
	for _, contest := range statistics.Contests(run.Figures) {
		head, rest := axis(contest.Work.Name)
		title := strings.Join(append([]string{contest.Group}, rest...), "  ")
		if contest.Unit != "ns/op" {
			title += "  (" + contest.Unit + ")"
		}
		p, known := byTitle[title]
		if !known {
			p = &panel{title: title, note: contest.Work.Description, others: others(run, contest)}
			byTitle[title] = p
			all = append(all, p)
		}
		p.columns = append(p.columns, column{head, contest})
	}
	return all
}

// axis divides the parts of a name into the one that columns differ in and the others: the number of
// goroutines, else that of blocks, else the first.
func axis(name string) (head string, rest []string) {
	parts := strings.Split(name, "/")
	at := 0
	for _, key := range []string{"blocks=", "goroutines="} {
		if found := slices.IndexFunc(parts, func(part string) bool { return strings.HasPrefix(part, key) }); found >= 0 {
			at = found
		}
	}
	return parts[at], slices.Delete(slices.Clone(parts), at, at+1)
}

// others returns who is in the group of a contest, and, of one of cores, who answers the question
// that every core can answer: a reader who misses one of them shall see that it cannot do this.
func others(run *result.Run, contest statistics.Contest) []string {
	const everyCore = "any"
	ofCores := isOfCores(run, contest)
	var names []string
	for _, f := range run.Figures {
		sameKind := f.Group == contest.Group && f.Unit == contest.Unit || ofCores && f.Group == everyCore
		if sameKind && !slices.Contains(names, f.Subject) {
			names = append(names, f.Subject)
		}
	}
	return names
}

// isOfCores reports whether verified cores, who never fail, are who takes part.
func isOfCores(run *result.Run, contest statistics.Contest) bool {
	return !slices.ContainsFunc(contest.Standings, func(s statistics.Standing) bool {
		isSubject := func(v result.Verdict) bool { return v.Core == s.Figure.Subject }
		return s.Figure.Attempts > 0 || !slices.ContainsFunc(run.Verified, isSubject)
	})
}

// split returns the panel in parts that fit into lines of that width.
func (p *panel) split(width int) []*panel {
	names := 0
	for _, subject := range p.subjects() {
		names = max(names, utf8.RuneCountInString(subject))
	}
	fit := max(1, (width-indent-names)/(cellWidth+gapWidth))
	var parts []*panel
	for columns := range slices.Chunk(p.columns, fit) {
		parts = append(parts, &panel{title: p.title, note: p.note, others: p.others, columns: columns})
	}
	return parts
}

// The widths of what a line consists of.
const (
	indent    = 2
	gapWidth  = 3
	cellWidth = 26
)

// subjects returns who takes part, the fastest over all columns first, and then who does not.
func (p *panel) subjects() []string {
	type score struct {
		ratios     float64 // sum of the ratios' logarithms
		count      int
		unreliable int // columns
	}
	scores := make(map[string]score)
	var names []string
	for _, column := range p.columns {
		for _, standing := range column.contest.Standings {
			name := standing.Figure.Subject
			s, known := scores[name]
			if !known {
				names = append(names, name)
			}
			if !math.IsNaN(standing.Ratio) {
				s.ratios += math.Log(standing.Ratio)
				s.count++
			}
			if !standing.Reliable {
				s.unreliable++
			}
			scores[name] = s
		}
	}
	mean := func(name string) float64 {
		if s := scores[name]; s.count > 0 {
			return s.ratios / float64(s.count)
		}
		return math.Inf(1)
	}
	for _, name := range p.others {
		if _, known := scores[name]; !known {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[a].unreliable, scores[b].unreliable), cmp.Compare(mean(a), mean(b)))
	})
	return names
}

func (p *panel) print(w io.Writer) {
	fmt.Fprintln(w, p.title)
	if p.note != "" && len(p.columns) == 1 {
		fmt.Fprintf(w, "%*s%s\n", indent, "", p.note)
	}
	subjects := p.subjects()
	names := 0
	for _, subject := range subjects {
		names = max(names, utf8.RuneCountInString(subject))
	}
	line := strings.Repeat(" ", indent+names)
	for _, column := range p.columns {
		line += strings.Repeat(" ", gapWidth) + padded(column.head, cellWidth)
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
	for _, subject := range subjects {
		line := strings.Repeat(" ", indent) + padded(subject, names)
		for _, column := range p.columns {
			line += strings.Repeat(" ", gapWidth) + padded(column.cell(subject), cellWidth)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// cell says how a subject did in a column.
func (c column) cell(subject string) string {
	at := slices.IndexFunc(c.contest.Standings, func(s statistics.Standing) bool { return s.Figure.Subject == subject })
	if at < 0 {
		return fmt.Sprintf("%9s", "–")
	}
	s := c.contest.Standings[at]
	outlier, noise := " ", " "
	if len(s.Summary.Outliers) > 0 {
		outlier = "°"
	}
	if s.Noise {
		noise = "~"
	}
	text := fmt.Sprintf("%9s%s %5s %6s%s", Quantity(s.Summary.Median, s.Figure.Unit), outlier, spread(s.Summary), ratio(s.Ratio), noise)
	if s.Figure.Attempts > 0 {
		text += " " + share(s.Figure.Successes, s.Figure.Attempts)
	}
	return text
}

// Quantity returns a number of a unit as people read it: "4.21 ns", "1.30 ms", "24.0 B".
func Quantity(number float64, unit string) string {
	if math.IsNaN(number) {
		return "–"
	}
	if unit != "ns/op" {
		name, _, _ := strings.Cut(unit, "/")
		return significant(number) + " " + name
	}
	for _, scale := range []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if number >= scale.size*0.9995 {
			return significant(number/scale.size) + " " + scale.name
		}
	}
	return significant(number) + " ns"
}

// significant returns three digits of a number, and all those before the point.
func significant(number float64) string {
	switch size := math.Abs(number); {
	case size >= 99.95:
		return fmt.Sprintf("%.0f", number)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", number)
	}
	return fmt.Sprintf("%.2f", number)
}

func spread(s statistics.Summary) string {
	if math.IsNaN(s.Spread()) {
		return ""
	}
	return fmt.Sprintf("±%.0f%%", 100*s.Spread())
}

func ratio(number float64) string {
	if math.IsNaN(number) {
		return "–"
	}
	return significant(number) + "×"
}

// share returns a share in percent. It says 100 % and 0 % only where that is exact.
func share(part, whole int) string {
	percent := 100 * float64(part) / float64(whole)
	switch {
	case part == whole:
		return "100%"
	case part == 0:
		return "0%"
	case percent > 99.9:
		return ">99.9%"
	case percent < 0.1:
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", percent)
}

// printProperties prints what a fair reader must know of each subject.
func printProperties(w io.Writer, figures []result.Figure) {
	type entry struct{ subject, properties string }
	seen := make(map[entry]bool)
	var entries []entry
	names := 0
	for _, figure := range figures {
		e := entry{figure.Subject, strings.Join(figure.Properties, "; ")}
		if e.properties == "" || seen[e] {
			continue
		}
		seen[e] = true
		entries = append(entries, e)
		names = max(names, utf8.RuneCountInString(e.subject))
	}
	if len(entries) == 0 {
		return
	}
	fmt.Fprintln(w, "\nSubjects")
	for _, e := range entries {
		fmt.Fprintf(w, "%*s%s   %s\n", indent, "", padded(e.subject, names), e.properties)
	}
}

func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
