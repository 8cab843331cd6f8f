package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"pgregory.net/rapid"
)

func TestPushApart(t *testing.T) {
	require.Empty(t, pushApart(nil, 10, 0, 100))
	require.Equal(t, []vg.Length{50}, pushApart([]vg.Length{50}, 10, 0, 100))
	require.Equal(t, []vg.Length{45, 55}, pushApart([]vg.Length{50, 50}, 10, 0, 100))
	require.Equal(t, []vg.Length{55, 45, 90}, pushApart([]vg.Length{51, 49, 90}, 10, 0, 100))
	require.Equal(t, []vg.Length{0, 10}, pushApart([]vg.Length{-50, -40}, 10, 0, 100))
	require.Equal(t, []vg.Length{0, 50, 100}, pushApart([]vg.Length{1, 2, 3}, 80, 0, 100), "too many stand closer")
}

func TestPushApartKeepsItsPromises(t *testing.T) {
	const gap, low, high, near = 10, 0, 200, 1e-6
	rapid.Check(t, func(t *rapid.T) {
		wanted := rapid.SliceOfN(rapid.Map(rapid.IntRange(-50, 250), func(i int) vg.Length { return vg.Length(i) }), 1, 20).Draw(t, "wanted")
		positions := pushApart(wanted, gap, low, high)
		sorted := slices.Clone(positions)
		slices.Sort(sorted)
		require.GreaterOrEqual(t, float64(sorted[0]), low-near)
		require.LessOrEqual(t, float64(sorted[len(sorted)-1]), high+near)
		for i := 1; i < len(sorted); i++ {
			require.GreaterOrEqual(t, float64(sorted[i]-sorted[i-1]), gap-near)
		}
		for i := range wanted {
			for j := range wanted {
				if wanted[i] < wanted[j] {
					require.Less(t, positions[i], positions[j], "the order is that of the lines")
				}
			}
		}
	})
}

func TestLooksDifferWithinAGroup(t *testing.T) {
	name := rapid.Map(rapid.IntRange(0, 30), func(i int) string { return fmt.Sprint("core ", i) })
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.Map(rapid.SliceOfNDistinct(name, 1, maxHighlighted-1, rapid.ID), func(names []string) []string {
			return append([]string{berth}, names...)
		})
		groups := rapid.SliceOfN(group, 1, 8).Draw(t, "groups")
		troupes := make([]troupe, len(groups))
		for i, group := range groups {
			troupes[i] = troupe{group, i + 1}
		}
		found := looks(troupes)
		for _, group := range groups {
			seen := map[string]bool{}
			for _, subject := range group {
				look := found[subject]
				require.NotNil(t, look.mark)
				key := fmt.Sprintf("%s %T", look.tone.name, look.mark)
				require.False(t, seen[key], "two of %v look alike: %s", group, key)
				seen[key] = true
			}
		}
	})
	one := looks([]troupe{{[]string{berth, "a", "b", "c", "d", "e", "f", "g"}, 1}})
	hues := map[string]bool{}
	for _, look := range one {
		hues[look.tone.name] = true
	}
	require.Len(t, hues, maxHighlighted, "one group alone has a hue for everybody")
}

func TestCostTicks(t *testing.T) {
	labels := func(low, high float64) []string {
		var labels []string
		for _, tick := range (span{low, high}).costTicks("ns/op", 0.1) {
			labels = append(labels, tick.Label)
		}
		return labels
	}
	require.Equal(t, []string{"10 ns", "100 ns", "1 µs", "10 µs", "100 µs"}, labels(3, 200_000))
	require.Equal(t, []string{"20 µs", "50 µs", "100 µs", "200 µs"}, labels(15_000, 280_000))
	require.Equal(t, []string{"5 ns", "5.5 ns"}, labels(4.9, 5.9))
	require.Equal(t, []string{"2 ns", "3 ns", "4 ns", "6 ns", "8 ns"}, labels(1.9, 9.5))
}

func TestCostTicksOfAnySpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := math.Pow10(rapid.IntRange(-300, 290).Draw(t, "power")) * rapid.Float64Range(1, 10).Draw(t, "digits")
		s := span{low, low * math.Pow10(rapid.IntRange(0, 12).Draw(t, "decades"))}.padded(0.03)
		ticks := s.costTicks("ns/op", 0.1)
		require.LessOrEqual(t, len(ticks), 11)
		for i, tick := range ticks {
			require.True(t, s.low <= tick.Value && tick.Value <= s.high)
			require.True(t, i == 0 || ticks[i-1].Value < tick.Value)
		}
	})
}

func TestCaption(t *testing.T) {
	for name, want := range map[string]string{
		"blocks=10000/width=16/hit=50":                "10,000 blocks · 16 ports · 50 % hit",
		"blocks=1/width=1/hit=0/layout=fragmented":    "1 block · 1 port · 0 % hit · layout fragmented",
		"blocks=1000/width=16/goroutines=1/reads=100": "1,000 blocks · 16 ports · 1 reader · a change every 100 reads",
		"blocks=1000/width=200/fits=no":               "1,000 blocks · 200 ports · fits nowhere",
		"full=0/thief":                                "0 % full · thief",
		"writers=64":                                  "64 writers",
		"disk/records=1000":                           "disk · 1,000 records",
		"":                                            "",
		"//=/":                                        " ",
	} {
		require.Equal(t, want, caption(name), name)
	}
}

func TestShort(t *testing.T) {
	require.Equal(t, "berth", short("berth", 24))
	require.Equal(t, "abc…", short("abcdefgh", 4))
	require.Equal(t, "a b", short("a\nb", 24))
	require.Equal(t, "a\uFFFDb", short("a\xffb", 24))
	require.Equal(t, "a b", short("a\u202eb", 24))
}

func TestCanvasDrawsInThePlacesOfGonum(t *testing.T) {
	canvas := newSVG(100, 50)
	var path vg.Path
	path.Move(vg.Point{X: 0, Y: 0})
	path.Line(vg.Point{X: 10, Y: 10})
	path.QuadTo(vg.Point{X: 15, Y: 10}, vg.Point{X: 20, Y: 5})
	path.CubeTo(vg.Point{X: 1, Y: 1}, vg.Point{X: 2, Y: 2}, vg.Point{X: 3, Y: 3})
	path.Close()
	canvas.Stroke(path)
	require.Contains(t, canvas.body.String(), `class="s-ink" d="M0 50L10 40Q15 40 20 45C1 49 2 48 3 47Z"`)

	canvas.Push()
	canvas.Translate(vg.Point{X: 50, Y: 25})
	canvas.Rotate(math.Pi / 2)
	canvas.Scale(2, 2)
	canvas.SetColor(color.RGBA{R: 0xff, A: 0xff})
	canvas.SetLineWidth(3)
	canvas.SetLineDash([]vg.Length{2, 1}, 0)
	path = vg.Path{}
	path.Move(vg.Point{X: 0, Y: 0})
	path.Line(vg.Point{X: 5, Y: 0})
	canvas.Stroke(path)
	require.Contains(t, canvas.body.String(), `stroke="#ff0000" d="M50 25L50 15" fill="none" stroke-width="3" stroke-dasharray="2 1"`)
	style := lettering(10, ink, true)
	canvas.FillString(plot.DefaultTextHandler.Cache().Lookup(style.Font, 10), vg.Point{}, "<up>")
	require.Contains(t, canvas.body.String(), `font-weight="bold" transform="rotate(-90 50 25)">&lt;up&gt;</text>`)
	canvas.Pop()

	path = vg.Path{}
	path.Arc(vg.Point{X: 50, Y: 25}, 5, 0, 2*math.Pi)
	canvas.Fill(path)
	require.Contains(t, canvas.body.String(), `class="f-ink" d="M55 25A5 5 0 0 0 45 25A5 5 0 0 0 55 25"`)

	before := canvas.body.Len()
	canvas.SetColor(nil)
	canvas.SetLineWidth(0)
	canvas.Stroke(path)
	canvas.Fill(nil)
	canvas.DrawImage(vg.Rectangle{}, nil)
	require.Equal(t, before, canvas.body.Len())
}
