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
	More                []table // shown on demand
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
	Jobs                 bool // whether attempts can fail
	Facts                bool // whether properties are shown
	Rows                 []row
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
	s = score{Group: g.name, Title: g.title}
	attempts, successes := 0, 0
	for _, contest := range g.contests {
		place := slices.IndexFunc(contest.Standings, func(s statistics.Standing) bool { return s.Figure.Subject == berth })
		if place < 0 || contest.Standings[place].Summary.Count == 0 {
			continue
		}
		ours := contest.Standings[place]
		attempts += ours.Figure.Attempts
		successes += ours.Figure.Successes
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
	s.Summary = summarize(s, namers)
	if attempts > 0 {
		s.Failures = fmt.Sprintf("Berth succeeded in %s of %s attempts.", quantity.Count(successes), quantity.Count(attempts))
	}
	return s, s.Works > 0
}

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
	for _, standing := range contest.Standings {
		if namers[standing.Figure.Subject] {
			d.Namer = standing.Figure.Subject
			break
		}
	}
	return d
}

// summarize says plainly how far Berth is behind, and behind whom.
func summarize(s score, namers map[string]bool) string {
	if len(s.Behind) == 0 {
		return ""
	}
	worst := s.Behind[0]
	canName := 0
	for _, d := range s.Behind {
		if d.ratio > worst.ratio {
			worst = d
		}
		if d.Namer != "" && d.Namer != berth {
			canName++
		}
	}
	text := fmt.Sprintf("Behind in %d of %d pieces of work; farthest at %s, where %s takes %s and Berth %s (%s).",
		len(s.Behind), s.Works, worst.Work, worst.Winner, worst.Best, worst.Berth, worst.Ratio)
	switch {
	case len(namers) == 0 || s.Behind[0].Namer == "":
	case canName == 0:
		text += " Nobody in front of it can say who is in the way."
	default:
		text += fmt.Sprintf(" In %d of them somebody in front of it can say who is in the way.", canName)
	}
	return text
}

func sectionOf(g group, plots []Plot, verified []result.Verdict) section {
	s := section{Group: g.name, Title: g.title, About: g.about}
	for _, plot := range plots {
		if plot.Group == g.name {
			s.Plots = append(s.Plots, figure{plot.Name, template.HTML(plot.inline)})
		}
	}
	main := mainContest(g.contests)
	for i, contest := range g.contests {
		t := tableOf(contest)
		if g.isJob || i == main {
			t.Facts = true
			s.Tables = append(s.Tables, t)
		} else {
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

func tableOf(contest statistics.Contest) table {
	t := table{Caption: caption(contest.Work.Name), Description: contest.Work.Description}
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
