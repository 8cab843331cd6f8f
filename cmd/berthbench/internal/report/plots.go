package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A Plot is one picture of a run.
type Plot struct {
	Name        string // of its file, without the ending: "any-over-blocks"
	Group       string // of the figures that it shows
	Title       string
	Description string // what it shows in words, for those who cannot see it
	SVG         []byte // a file of its own, for light and dark pages

	inline []byte // without colours of its own, for a page that has them
}

// Plots returns the pictures of a run, group by group. The same run gives the same bytes.
func Plots(run *result.Run) []Plot {
	groups := groupsOf(run)
	casts := casts(groups)
	foot := machineLine(run)
	var plots []Plot
	for i, g := range groups {
		plots = append(plots, plotsOf(g, casts[i], foot)...)
	}
	return distinct(plots)
}

// plotsOf draws lines for what differs in a dimension, and dots for all else.
func plotsOf(g group, cast cast, foot string) []Plot {
	var plots []Plot
	inLines := map[string]bool{} // by identity
	for _, along := range dimensions {
		all := g.families(along)
		if len(all) == 0 {
			continue
		}
		plots = append(plots, linePlot(g, all[representative(all)], cast, foot))
		// What the first dimension shows for each value of the others need not be shown again.
		if len(all) > 1 && len(inLines) == 0 {
			plots = append(plots, multiplesPlot(g, all, cast, foot))
		}
		for _, f := range all {
			for _, contest := range f.contests {
				inLines[identity(contest)] = true
			}
		}
	}
	var single []statistics.Contest
	for _, contest := range g.contests {
		if !inLines[identity(contest)] {
			single = append(single, contest)
		}
	}
	for _, contests := range unitsOf(single) {
		plots = append(plots, dotsPlot(g, contests, foot))
	}
	for i := range plots {
		plots[i].Group = g.name
	}
	return plots
}

// unitsOf parts contests by their unit: costs in different units do not share an axis.
func unitsOf(contests []statistics.Contest) [][]statistics.Contest {
	var parts [][]statistics.Contest
	places := map[string]int{}
	for _, contest := range contests {
		place, known := places[contest.Unit]
		if !known {
			place = len(parts)
			places[contest.Unit] = place
			parts = append(parts, nil)
		}
		parts[place] = append(parts[place], contest)
	}
	return parts
}

// A group is the contests of one group of figures.
type group struct {
	name     string
	title    string // "Is any port taken?"
	about    string // one sentence
	isJob    bool   // whole jobs, which can fail, are compared one by one
	contests []statistics.Contest
}

// families returns what is drawn as lines along a dimension. Jobs are not.
func (g group) families(along dimension) []family {
	if g.isJob {
		return nil
	}
	return families(g.contests, along)
}

// mainFamilies returns the families along the first dimension that there are any along.
func (g group) mainFamilies() []family {
	for _, along := range dimensions {
		if found := g.families(along); len(found) > 0 {
			return found
		}
	}
	return nil
}

// identity tells the contests of a group apart.
func identity(contest statistics.Contest) string { return contest.Unit + " " + contest.Work.Name }

// heading joins the group's title and what is shown of it.
func (g group) heading(what string) string {
	if strings.HasSuffix(g.title, "?") {
		return g.title + " " + strings.ToUpper(what[:1]) + what[1:]
	}
	return g.title + ": " + what
}

// knownGroups are in the order of the report, with what one operation of them is.
var knownGroups = []group{
	{name: "any", title: "Is any port taken?", about: "A range of ports is asked for, and the answer is yes or no: a bitmap can give it."},
	{name: "who", title: "Who is in the way?", about: "A range of ports is asked for, and the answer is a block that overlaps it: only a core that keeps the blocks themselves can give it."},
	{name: "churn", title: "Delete, ask, insert", about: "A block goes, its place is asked for, and a block comes."},
	{name: "find", title: "First free run", about: "A number of free ports in a row is searched for: where the first ones are, or that there are none."},
	{name: "clone", title: "Copy", about: "A copy of the core that later changes do not reach."},
	{name: "shared", title: "Readers beside a writer", about: "Several readers ask while a writer changes blocks. Cores that need a lock have one around them."},
	{name: "trace", title: "A recorded load", about: "One operation of a recorded load."},
	{name: "udp-port", title: "One free UDP port, bound", about: "The whole job: get one free UDP port, bound, and close it. Who fails more than one attempt in a hundred stands below those who do not, however fast.", isJob: true},
	{name: "durable-create", title: "One record made durable", about: "The whole job: make a small record that is on disk when the call returns.", isJob: true},
	{name: "memory", title: "Memory", about: "What a block takes in memory, and a record on disk."},
}

// groupsOf returns the groups of a run: those that are known, and then others as they begin.
func groupsOf(run *result.Run) []group {
	groups := slices.Clone(knownGroups)
	for _, contest := range statistics.Contests(run.Figures) {
		place := slices.IndexFunc(groups, func(g group) bool { return g.name == contest.Group })
		if place < 0 {
			place = len(groups)
			groups = append(groups, group{name: contest.Group, title: contest.Group})
		}
		groups[place].contests = append(groups[place].contests, contest)
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.contests) == 0 })
}

// machineLine says on what a run was measured, and whether it is whole.
func machineLine(run *result.Run) string {
	m := run.Machine
	cores := ""
	if m.Cores > 0 {
		cores = fmt.Sprintf("%d cores", m.Cores)
	}
	date, commit := "", ""
	if !run.Started.IsZero() {
		date = run.Started.Format("2006-01-02")
	}
	if m.Commit != "" {
		commit = "commit " + short(m.Commit, longest)
	}
	broken := ""
	if !run.Complete {
		broken = "INTERRUPTED RUN"
	}
	return joined(" · ", broken, m.Processor, cores, m.System, m.Go, commit, date)
}

// picture makes a plot of what a canvas holds.
func picture(canvas *svgCanvas, name, title, description string) Plot {
	return Plot{
		Name:        name,
		Title:       title,
		Description: description,
		SVG:         canvas.document(title, description, rules(".plot")),
		inline:      canvas.document(title, description, ""),
	}
}

// inFileNames is all that names of files are made of.
var inFileNames = regexp.MustCompile(`[^a-z0-9]+`)

// distinct makes the names of plots fit for files, and different.
func distinct(plots []Plot) []Plot {
	taken := map[string]bool{}
	for i := range plots {
		base := strings.Trim(inFileNames.ReplaceAllString(strings.ToLower(plots[i].Name), "-"), "-")
		base = base[:min(len(base), 60)]
		name := base
		for n := 2; name == "" || taken[name]; n++ {
			name = strings.Trim(fmt.Sprintf("%s-%d", base, n), "-")
		}
		taken[name] = true
		plots[i].Name = name
	}
	return plots
}
