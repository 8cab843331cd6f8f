package report_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/report"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

var update = flag.Bool("update", false, "write testdata with what the report is now, and a full report of made-up figures into the folder of the variable REPORT_EXAMPLE")

// small is a run that a person can check by eye.
func small() *result.Run {
	work := func(blocks int, name string) result.Work {
		return result.Work{Name: name, Description: "16 ports wide", Blocks: blocks, Width: 16, Hit: 50}
	}
	few, many := work(10, "blocks=10/width=16/hit=50"), work(10_000, "blocks=10000/width=16/hit=50")
	port := result.Work{Name: "full=99", Description: "get one free UDP port", Fill: 99}
	cost := func(group string, w result.Work, subject string, samples ...float64) result.Figure {
		return result.Figure{Group: group, Work: w, Subject: subject, Unit: "ns/op", Samples: samples, Properties: []string{"made up"}}
	}
	job := func(subject string, successes int, samples ...float64) result.Figure {
		f := cost("udp-port", port, subject, samples...)
		f.Attempts, f.Successes = 1000, successes
		return f
	}
	return &result.Run{
		Machine:  result.Machine{System: "linux/amd64", Processor: "Abacus 1", Cores: 2, Go: "go1.26.8", Commit: "0123abc"},
		Started:  time.Date(2026, time.November, 22, 13, 0, 0, 0, time.UTC),
		Seed:     7,
		Complete: true,
		Verified: []result.Verdict{
			{Core: "berth", Operations: 1000}, {Core: "bitmap", Operations: 1000}, {Core: "tree", Operations: 1000},
			{Core: "liar", Operations: 1000, Fault: "Overlaps(65535) said no, and 65535-65535 was there"},
		},
		Figures: []result.Figure{
			cost("any", few, "berth", 5, 5.1, 5.2, 5.1, 5),
			cost("any", few, "bitmap", 4, 4.1, 4.2, 4.1, 4.8),
			cost("any", few, "tree", 30, 31, 32, 31, 30),
			cost("any", many, "berth", 5.1, 5.2, 5.3, 5.2, 5.1),
			cost("any", many, "bitmap", 5, 5.3, 5.1, 5.2, 5.2),
			cost("any", many, "tree", 180, 181, 185, 190, 200),
			cost("who", few, "berth", 6, 6.1, 6.2, 6.1, 6),
			cost("who", few, "tree", 5, 5.1, 5.2, 5.1, 5),
			job("berth", 1000, 21_000, 21_500, 22_000, 21_200, 21_300),
			job("port 0", 1000, 17_000, 16_900, 17_100, 17_050, 16_950),
			job("checker", 310, 9_000, 9_100, 9_200, 9_100, 9_050),
		},
	}
}

func TestSmallRunIsDrawnAsBefore(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, report.Write(folder, small()))
	if example := os.Getenv("REPORT_EXAMPLE"); *update && example != "" {
		require.NoError(t, report.Write(example, synthetic(1)))
	}
	for _, name := range []string{"any-over-blocks.svg", "udp-port.svg", "report.html"} {
		made, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		golden := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(golden, made, 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), string(made), "go test -update writes %s again; look at it before you commit it", golden)
	}
}

func TestPageSaysWhereBerthStands(t *testing.T) {
	page := pageText(t, small())
	for _, sentence := range []string{
		"liar gave a wrong answer and was not timed.",
		"Overlaps(65535) said no, and 65535-65535 was there",
		"with 1,000 random operations each: berth, bitmap, tree.",
		"Behind in 1 of 2 pieces of work; at 10 blocks · 16 ports · 50 % hit, where bitmap takes 4.10\u00a0ns and Berth 5.10\u00a0ns (1.24×). Nobody in front of it can say who is in the way.",
		"Behind in 1 of 1 piece of work; at 10 blocks · 16 ports · 50 % hit, where tree takes 5.10\u00a0ns and Berth 6.10\u00a0ns (1.20×).",
		"where port 0 takes 17.0\u00a0µs and Berth 21.3\u00a0µs (1.25×). Berth succeeded in 1,000 of 1,000 attempts.",
		"Not in this group, most often because it cannot do this: bitmap.",
		`<td class="number fails">31 %</td>`,
		`<td class="number">5, 1 apart</td>`,
	} {
		require.True(t, strings.Contains(page, sentence), "the page does not say: %s", sentence)
	}
	require.NotContains(t, page, "interrupted")
}

func TestPageMarksAnInterruptedRun(t *testing.T) {
	run := small()
	run.Complete = false
	run.Notes = []string{"Workiva was left out & nobody knows why."}
	last := &run.Figures[len(run.Figures)-1]
	last.Samples = last.Samples[:2]
	page := pageText(t, run)
	for _, text := range []string{
		"This run was interrupted.", "Workiva was left out &amp; nobody knows why.", "2 to 5 runs", `<td class="number fails">2</td>`,
	} {
		require.True(t, strings.Contains(page, text), "the page does not say: %s", text)
	}
	for _, plot := range report.Plots(run) {
		require.Contains(t, string(plot.SVG), "INTERRUPTED RUN")
	}
}

func TestPageOfARunWithoutBerth(t *testing.T) {
	run := small()
	var others []result.Figure
	for _, figure := range run.Figures {
		if figure.Subject != "berth" {
			others = append(others, figure)
		}
	}
	run.Figures = others
	require.Contains(t, pageText(t, run), "Berth took no part in this run.")
}

func TestSameRunGivesSameBytes(t *testing.T) {
	var plots [2][]report.Plot
	var pages [2][]byte
	for i := range plots {
		run := synthetic(1)
		plots[i] = report.Plots(run)
		var err error
		pages[i], err = report.Page(run, plots[i])
		require.NoError(t, err)
	}
	require.True(t, reflect.DeepEqual(plots[0], plots[1]), "the pictures differ")
	require.True(t, bytes.Equal(pages[0], pages[1]), "the pages differ")
}

func TestFullRun(t *testing.T) {
	run := synthetic(2)
	plots := report.Plots(run)
	var names []string
	for _, plot := range plots {
		names = append(names, plot.Name)
		requireXML(t, plot.SVG)
		require.Contains(t, string(plot.SVG), "Synthetic Processor 9000 · 2 cores", "the machine line stands in every picture")
		require.NotEmpty(t, plot.Description)
	}
	require.Equal(t, []string{
		"any-over-blocks", "any-over-blocks-all", "any-over-width", "who-over-blocks", "who-over-blocks-all", "who-over-width",
		"churn-over-blocks", "find-over-blocks", "shared-over-goroutines", "udp-port", "durable-create", "memory",
	}, names)

	made, err := report.Page(run, plots)
	require.NoError(t, err)
	page := string(made)
	require.Less(t, len(page), 2<<20)
	for _, network := range []string{"<script", "<link", "@import", "url("} {
		require.NotContains(t, page, network, "the page needs nothing but itself")
	}
}

// TestHostileRuns makes reports of what no runner should write and somebody's file may hold.
func TestHostileRuns(t *testing.T) {
	nan, infinite := math.NaN(), math.Inf(1)
	long := strings.Repeat("a very long name ", 500)
	markup := "</svg><script>alert('1')</script>\x00\x1b[31m\xff\u202e&\"\n"
	line := func(name string, blocks int, samples ...float64) result.Figure {
		return result.Figure{Group: "any", Work: result.Work{Name: name, Blocks: blocks}, Subject: "berth", Unit: "ns/op", Samples: samples}
	}
	hostile := func(text string) []result.Figure {
		figure := line("blocks=1/"+text, 1, 4, 5, 6)
		figure.Subject, figure.Unit, figure.Properties, figure.Work.Description = text, text, []string{text}, text
		other := figure
		other.Work.Name, other.Work.Blocks = "blocks=2/"+text, 2
		dots := figure
		dots.Group, dots.Attempts, dots.Successes = text, -3, 70
		return []result.Figure{figure, other, dots}
	}
	many := make([]result.Figure, 0, 200)
	for i := range 200 {
		figure := line("blocks=1", 1, float64(i+1))
		if i%2 == 1 {
			figure = line("blocks=2", 2, float64(i))
		}
		figure.Subject = strings.Repeat("s", i/2+1)
		many = append(many, figure)
	}
	for name, figures := range map[string][]result.Figure{
		"nothing":              nil,
		"no samples":           {line("blocks=1", 1), line("blocks=2", 2)},
		"no numbers":           {line("blocks=1", 1, nan, infinite), line("blocks=2", 2, -infinite)},
		"zero and below":       {line("blocks=1", 1, 0, 0, 0), line("blocks=2", 2, -5, -6)},
		"some below zero":      {line("blocks=1", 1, -5, 4, 5, 6), line("blocks=2", 2, 0, 0, 3, 9, 9)},
		"one sample":           {line("blocks=1", 1, 5), line("blocks=2", 2, 5)},
		"one point":            {line("blocks=1", 1, 5)},
		"all equal":            {line("blocks=1", 1, 5, 5, 5), line("blocks=2", 2, 5, 5, 5)},
		"a gap":                {line("blocks=1", 1, 5), line("blocks=2", 2), line("blocks=3", 3, 5)},
		"tiny and huge":        {line("blocks=1", 1, 5e-324, 1e-300), line("blocks=2", 2, math.MaxFloat64, math.MaxFloat64)},
		"huge counts":          {line("blocks=1", math.MaxInt, 1), line("blocks=2", 1, 1)},
		"negative counts":      {line("blocks=1", -1, 1), line("blocks=2", math.MinInt, 1)},
		"no names":             {{}, {}, {Samples: []float64{1}}},
		"same twice":           {line("blocks=1", 1, 5), line("blocks=1", 1, 6), line("blocks=2", 2, 6)},
		"same name, other use": {line("blocks=1", 1, 5), line("blocks=1", 2, 6)},
		"long":                 hostile(long),
		"markup":               hostile(markup),
		"slashes":              hostile("////==/=/blocks=/"),
		"many":                 many,
	} {
		t.Run(name, func(t *testing.T) {
			run := &result.Run{Figures: figures, Notes: []string{markup, long}, Verified: []result.Verdict{{Core: markup, Fault: markup}}}
			run.Machine = result.Machine{System: markup, Processor: long, Cores: -1, Go: markup, Commit: long}
			page := pageText(t, run)
			require.NotContains(t, page, "<script")
			names := map[string]bool{}
			for _, plot := range report.Plots(run) {
				requireXML(t, plot.SVG)
				require.NotContains(t, string(plot.SVG), "NaN")
				require.NotContains(t, string(plot.SVG), "Inf")
				require.Regexp(t, `^[a-z0-9][a-z0-9-]*$`, plot.Name)
				require.False(t, names[plot.Name], "two plots have the name %s", plot.Name)
				names[plot.Name] = true
			}
			require.NoError(t, report.Write(t.TempDir(), run))
		})
	}
}

func TestWriteSaysWhatItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, report.Write(file, small()), "make the directory of the report")

	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, report.PageName), 0o700))
	require.ErrorContains(t, report.Write(folder, small()), "write the report")
}

func pageText(t *testing.T, run *result.Run) string {
	t.Helper()
	page, err := report.Page(run, report.Plots(run))
	require.NoError(t, err)
	return string(page)
}

// requireXML reads a picture to its end as strictly as a browser does.
func requireXML(t *testing.T, picture []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		_, err := decoder.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}
