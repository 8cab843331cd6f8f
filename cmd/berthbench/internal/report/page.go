package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A page is what the template shows: words and numbers, ready to be read.
type page struct {
	Style    template.CSS
	Machine  string
	Seed     uint64
	Runs     string // "10 runs"
	Complete bool
	Notes    []string

	Verified []verdicts // those who answered correctly, by the number of operations
	Liars    []result.Verdict

	Score    []score
	Sections []section
}

// Verdicts are cores that passed the same verification.
type verdicts struct {
	Operations string
	Cores      string
}

// A score is where Berth stands in one group.
type score struct {
	Group    string
	Title    string
	Works    int
	Fastest  int // without anybody level
	Level    int // as fast as the fastest, within noise
	Behind   []defeat
	Summary  string // of Behind, in a sentence
	Namers   bool   // whether it matters here who can say who is in the way
	Failures string // of jobs: whether Berth always succeeded
}

// A defeat is a contest in which somebody was faster than Berth, beyond noise.
type defeat struct {
	Work, Berth, Winner, Best, Ratio string
	Namer                            string // the fastest who can say who, if the group has such
	ratio                            float64
}

// A section is one group.
type section struct {
	Group, Title, About string
	Plots               []figure
	Tables              []table
	Grids               []grid  // shown on demand
	More                []table // so too
	Absent              string  // cores that cannot do this
}

// A figure is a picture in the page.
type figure struct {
	Name string
	SVG  template.HTML
}

// A table is one contest.
type table struct {
	Caption, Description string
	Ratio                string // the title of its column
	Jobs                 bool   // whether attempts can fail
	Facts                bool   // whether properties are shown
	Rows                 []row
}

// A grid is a family: everybody's cost at each value of its dimension.
type grid struct {
	Caption string
	Columns []string
	Rows    []gridRow
}

type gridRow struct {
	Subject string
	Berth   bool
	Cells   []cell
}

// A cell is empty where the subject did not take part.
type cell struct {
	Median, Detail string
	First          bool
}

type row struct {
	Subject, Median, Spread, Ratio, Runs, Success, Facts string
	Berth, Fails, Noise, Short                           bool
}

func pageOf(run *result.Run, plots []Plot) page {
	p := page{
		Style:    template.CSS(css + rules(".plot")),
		Machine:  machineLine(run),
		Seed:     run.Seed,
		Runs:     runsOf(run),
		Complete: run.Complete,
		Notes:    run.Notes,
	}
	p.Verified, p.Liars = verdictsOf(run.Verified)
	groups := groupsOf(run)
	namers := map[string]bool{} // who can say who is in the way
	for _, g := range groups {
		if g.name == "who" {
			for _, subject := range byImportance(g.contests) {
				namers[subject] = true
			}
		}
	}
	for _, g := range groups {
		if s, takesPart := scoreOf(g, namers); takesPart {
			p.Score = append(p.Score, s)
		}
		p.Sections = append(p.Sections, sectionOf(g, plots, run.Verified))
	}
	return p
}

// runsOf says how many samples figures rest on: "10 runs" or "3 to 10 runs".
func runsOf(run *result.Run) string {
	if len(run.Figures) == 0 {
		return "no runs"
	}
	least, most := math.MaxInt, 0
	for _, figure := range run.Figures {
		least, most = min(least, len(figure.Samples)), max(most, len(figure.Samples))
	}
	if least == most {
		return counted(fmt.Sprint(most), "run")
	}
	return fmt.Sprintf("%d to %d runs", least, most)
}

func verdictsOf(all []result.Verdict) (passed []verdicts, liars []result.Verdict) {
	names := map[int][]string{}
	var order []int
	for _, verdict := range all {
		if verdict.Fault != "" {
			liars = append(liars, verdict)
			continue
		}
		if names[verdict.Operations] == nil {
			order = append(order, verdict.Operations)
		}
		names[verdict.Operations] = append(names[verdict.Operations], verdict.Core)
	}
	for _, operations := range order {
		passed = append(passed, verdicts{quantity.Count(operations), strings.Join(names[operations], ", ")})
	}
	return passed, liars
}

// scoreOf counts where Berth stands in a group; it is not ok if Berth takes no part.
func scoreOf(g group, namers map[string]bool) (s score, ok bool) {
	s = score{Group: g.name, Title: g.title, Namers: answersQuestions[g.name] && len(namers) > 0}
	attempts, successes := 0, 0
	for _, contest := range g.contests {
		place := slices.IndexFunc(contest.Standings, func(s statistics.Standing) bool { return s.Figure.Subject == berth })
		if place < 0 || contest.Standings[place].Summary.Count == 0 {
			continue
		}
		ours := contest.Standings[place]
		if g.isJob {
			attempts += ours.Figure.Attempts
			successes += ours.Figure.Successes
		}
		s.Works++
		switch {
		case place == 0:
			s.Fastest++
		case ours.Noise || ours.Summary.Median == contest.Standings[0].Summary.Median:
			s.Level++
		default:
			s.Behind = append(s.Behind, defeatOf(contest, ours, namers))
		}
	}
	s.Summary = s.summarize()
	if attempts > 0 {
		s.Failures = fmt.Sprintf("Berth succeeded in %s of %s attempts.", quantity.Count(successes), quantity.Count(attempts))
	}
	return s, s.Works > 0
}

// answersQuestions are the groups in which it matters who could also say who is in the way.
var answersQuestions = map[string]bool{"any": true, "churn": true, "find": true, "clone": true, "shared": true, "trace": true}

func defeatOf(contest statistics.Contest, ours statistics.Standing, namers map[string]bool) defeat {
	winner := contest.Standings[0]
	d := defeat{
		Work:   caption(contest.Work.Name),
		Berth:  quantity.Format(ours.Summary.Median, contest.Unit),
		Winner: winner.Figure.Subject,
		Best:   quantity.Format(winner.Summary.Median, contest.Unit),
		Ratio:  quantity.Ratio(ours.Ratio),
		ratio:  ours.Ratio,
	}
	if fails(winner) {
		d.Winner += fmt.Sprintf(" (which succeeds in %s)", success(winner))
	}
	for _, standing := range contest.Standings {
		if namers[standing.Figure.Subject] {
			d.Namer = standing.Figure.Subject
			break
		}
	}
	return d
}

// summarize says plainly how far Berth is behind, and behind whom.
func (s score) summarize() string {
	if len(s.Behind) == 0 {
		return ""
	}
	worst, others := s.Behind[0], 0
	for _, d := range s.Behind {
		if d.ratio > worst.ratio {
			worst = d
		}
		if d.Namer != "" && d.Namer != berth {
			others++
		}
	}
	text := fmt.Sprintf("Behind in %d of %s; ", len(s.Behind), counted(fmt.Sprint(s.Works), "piece")+" of work")
	if len(s.Behind) > 1 {
		text += "farthest "
	}
	text += fmt.Sprintf("at %s, where %s takes %s and Berth %s (%s).", worst.Work, worst.Winner, unbroken(worst.Best), unbroken(worst.Berth), worst.Ratio)
	switch {
	case !s.Namers:
	case others == 0:
		text += " Nobody in front of it can say who is in the way."
	case len(s.Behind) == 1:
		text += " Somebody in front of it can say who is in the way."
	default:
		text += fmt.Sprintf(" In %d of them somebody in front of it can say who is in the way.", others)
	}
	return text
}

// unbroken keeps a number and its unit on one line.
func unbroken(quantity string) string { return strings.ReplaceAll(quantity, " ", "\u00a0") }

func sectionOf(g group, plots []Plot, verified []result.Verdict) section {
	s := section{Group: g.name, Title: g.title, About: g.about}
	for _, plot := range plots {
		if plot.Group == g.name {
			s.Plots = append(s.Plots, figure{plot.Name, template.HTML(plot.inline)})
		}
	}
	main := mainContest(g.contests)
	inGrids := map[string]bool{}
	for _, f := range g.mainFamilies() {
		s.Grids = append(s.Grids, gridOf(f))
		for _, contest := range f.contests {
			inGrids[identity(contest)] = true
		}
	}
	for i, contest := range g.contests {
		switch t := tableOf(contest); {
		case g.isJob || i == main:
			t.Facts = true
			s.Tables = append(s.Tables, t)
		case !inGrids[identity(contest)]:
			s.More = append(s.More, t)
		}
	}
	if !g.isJob {
		s.Absent = absent(g, verified)
	}
	return s
}

// mainContest returns the place of the contest that is shown first, chosen like the main plot.
func mainContest(contests []statistics.Contest) int {
	best := 0
	for i, contest := range contests {
		more := len(contest.Standings) - len(contests[best].Standings)
		if more > 0 || more == 0 && distance(contest.Work.Name) < distance(contests[best].Work.Name) {
			best = i
		}
	}
	return best
}

// absent names the cores that were right and yet are not in a group.
func absent(g group, verified []result.Verdict) string {
	present := byImportance(g.contests)
	var names []string
	for _, verdict := range verified {
		if verdict.Fault == "" && !slices.Contains(present, verdict.Core) {
			names = append(names, verdict.Core)
		}
	}
	return strings.Join(names, ", ")
}
