package table_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/cmd/berthbench/internal/table"
)

func around(median float64) []float64 {
	return []float64{median * 0.98, median * 0.99, median, median * 1.01, median * 1.02}
}

func figure(group, work, subject string, samples []float64) result.Figure {
	return result.Figure{Group: group, Work: result.Work{Name: work, Description: "what is done"}, Subject: subject, Unit: "ns/op", Samples: samples}
}

func render(t *testing.T, run *result.Run, width int) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, table.Write(&text, run, width))
	return text.String()
}

func TestTable(t *testing.T) {
	berth := figure("any", "blocks=10/width=1", "berth", around(5))
	berth.Properties = []string{"knows who", "two trees"}
	port := figure("udp-port", "full=99", "net", around(50_000))
	port.Attempts, port.Successes = 100, 100
	unlucky := figure("udp-port", "full=99", "lucky", around(1000))
	unlucky.Attempts, unlucky.Successes = 3000, 1
	run := &result.Run{
		Verified: []result.Verdict{{Core: "berth"}, {Core: "bitmap"}},
		Figures: []result.Figure{
			berth,
			figure("any", "blocks=10/width=1", "bitmap", around(4)),
			figure("any", "blocks=1000/width=1", "berth", around(4.01)),
			figure("any", "blocks=1000/width=1", "bitmap", append(around(3.97), 9)),
			figure("who", "blocks=10/width=1", "berth", around(1_234_567)),
			port, unlucky,
		},
	}
	require.Equal(t, `any  width=1
           blocks=10                    blocks=1000
  bitmap     4.00 ns    ±1%  1.00×        3.99 ns°   ±1%  1.00×
  berth      5.00 ns    ±1%  1.25×        4.01 ns    ±1%  1.01×~

who  width=1
  what is done
           blocks=10
  berth      1.23 ms    ±1%  1.00×
  bitmap           –

udp-port
  what is done
          full=99
  net       50.0 µs    ±1%  1.00×  100%
  lucky     1.00 µs    ±1%  0.02×  <0.1%

`+table.Legend+`

Subjects
  berth   knows who; two trees
`, render(t, run, 100))
}

// Where a line is full, the columns that do not fit come below with the same rows.
func TestTableFitsTheWindow(t *testing.T) {
	run := &result.Run{}
	for _, work := range []string{"blocks=1", "blocks=2", "blocks=3", "blocks=4"} {
		run.Figures = append(run.Figures, figure("any", work, "berth", around(5)))
	}
	for width, parts := range map[int]int{0: 4, 40: 4, 70: 2, 200: 1} {
		text := render(t, run, width)
		require.Equal(t, parts, strings.Count(text, "\n  berth"), "in %d columns:\n%s", width, text)
		body, _, _ := strings.Cut(text, "Each cell")
		for line := range strings.Lines(body) {
			if width > 40 {
				require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), width)
			}
		}
	}
}

func TestReadersAreColumns(t *testing.T) {
	run := &result.Run{Figures: []result.Figure{
		figure("shared", "blocks=10/goroutines=1/reads=100", "berth", around(5)),
		figure("shared", "blocks=10/goroutines=4/reads=100", "berth", around(6)),
	}}
	text := render(t, run, 100)
	require.Contains(t, text, "shared  blocks=10  reads=100\n")
	require.Contains(t, text, "goroutines=1 ")
	require.Contains(t, text, "goroutines=4\n")
}

func TestQuantity(t *testing.T) {
	for _, test := range []struct {
		number float64
		unit   string
		want   string
	}{
		{0, "ns/op", "0.00 ns"},
		{4.206, "ns/op", "4.21 ns"},
		{9.996, "ns/op", "10.0 ns"},
		{99.96, "ns/op", "100 ns"},
		{999.4, "ns/op", "999 ns"},
		{999.6, "ns/op", "1.00 µs"},
		{12_345, "ns/op", "12.3 µs"},
		{1_234_567, "ns/op", "1.23 ms"},
		{61e9, "ns/op", "61.0 s"},
		{24, "B/block", "24.0 B"},
		{math.NaN(), "ns/op", "–"},
	} {
		require.Equal(t, test.want, table.Quantity(test.number, test.unit))
	}
}

func TestCompare(t *testing.T) {
	at := func(minute int, figures ...result.Figure) *result.Run {
		return &result.Run{
			Machine: result.Machine{System: "linux/amd64", Processor: "P", Cores: 2, Go: "go1.26", Commit: "c"},
			Started: time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC), Complete: true, Figures: figures,
		}
	}
	was, is := figure("udp-port", "full=0", "berth", around(10)), figure("udp-port", "full=0", "berth", around(20))
	was.Attempts, was.Successes, is.Attempts, is.Successes = 10, 10, 10, 5
	before := at(4, figure("any", "blocks=10", "berth", around(100)), figure("any", "blocks=10", "bitmap", around(4)), was,
		figure("any", "blocks=10", "gone", around(1)))
	after := at(5, figure("any", "blocks=10", "berth", around(10)), figure("any", "blocks=10", "bitmap", around(4)), is,
		figure("any", "blocks=10", "new", around(1)))

	var text strings.Builder
	require.NoError(t, table.Compare(&text, before, after, false))
	require.Equal(t, `old: P, 2 cores, linux/amd64, go1.26, commit c, 2026-01-02 03:04 UTC
new: P, 2 cores, linux/amd64, go1.26, commit c, 2026-01-02 03:05 UTC

figure                      old           new        change      p
any/blocks=10  berth     100 ns  ±1%  10.0 ns  ±1%   -90.0%  0.008
udp-port/full=0  berth  10.0 ns  ±1%  20.0 ns  ±1%  +100.0%  0.008  100% to 50.0% succeed

3 figures are in both runs, 1 of them with a difference below noise.
`, text.String())

	text.Reset()
	require.NoError(t, table.Compare(&text, before, after, true))
	require.Contains(t, text.String(), "any/blocks=10  bitmap")
	require.Contains(t, text.String(), "3 figures are in both runs.\n")
}

// Whatever a results file holds, printing it neither panics nor fails.
func TestAnythingCanBePrinted(t *testing.T) {
	text := rapid.OneOf(rapid.SampledFrom([]string{"any", "blocks=1", "", "/", "a/b", "°~–"}), rapid.String())
	figures := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) result.Figure {
		attempts := rapid.IntRange(0, 10).Draw(t, "attempts")
		return result.Figure{
			Group: text.Draw(t, "group"), Work: result.Work{Name: text.Draw(t, "work")}, Subject: text.Draw(t, "subject"),
			Unit: text.Draw(t, "unit"), Samples: rapid.SliceOf(rapid.Float64()).Draw(t, "samples"),
			Attempts: attempts, Successes: rapid.IntRange(0, attempts).Draw(t, "successes"),
			Properties: rapid.SliceOf(text).Draw(t, "properties"),
		}
	}), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		a, b := &result.Run{Figures: figures.Draw(t, "a")}, &result.Run{Figures: figures.Draw(t, "b")}
		var out strings.Builder
		require.NoError(t, table.Write(&out, a, rapid.IntRange(-1, 300).Draw(t, "width")))
		require.NoError(t, table.Compare(&out, a, b, true))
	})
}
