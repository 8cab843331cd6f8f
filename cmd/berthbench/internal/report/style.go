package report

import (
	"fmt"
	"image/color"
	"slices"
	"strconv"
	"strings"

	weights "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A tone is a colour by name, for light and for dark pages.
type tone struct{ name, light, dark string }

// RGBA is the light colour. A tone is a [color.Color], so that it passes through gonum.
func (t tone) RGBA() (r, g, b, a uint32) {
	hex, _ := strconv.ParseUint(strings.TrimPrefix(t.light, "#"), 16, 32)
	return color.RGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}.RGBA()
}

var (
	paper = tone{"paper", "#ffffff", "#0d1117"}
	ink   = tone{"ink", "#1f2328", "#e6edf3"} // text, and Berth
	soft  = tone{"soft", "#59636e", "#9198a1"}
	rest  = tone{"rest", "#a8b1bb", "#59626c"} // lines that stand behind
	faint = tone{"faint", "#e4e8ec", "#252b33"}
)

// hues can be told apart by colour-blind people: they are those of Okabe and Ito (2008) without the
// yellow, which is lost on white, and with a lighter set for dark pages.
var hues = []tone{
	{"h1", "#0072b2", "#58a6e6"}, // blue
	{"h2", "#d55e00", "#ff8f45"}, // vermilion
	{"h3", "#009e73", "#35c99a"}, // green
	{"h4", "#b5519b", "#e08fc7"}, // purple
	{"h5", "#c98a00", "#efb73e"}, // orange
	{"h6", "#3aa0d8", "#8fd3fa"}, // sky
	{"h7", "#7d5a3c", "#c39b78"}, // brown
}

// dashes and marks differ for each hue, so that lines can be told apart without colour. Berth's line
// alone is whole and thick.
var (
	dashes = [][]vg.Length{{7, 3}, {2, 2.5}, {9, 3, 2, 3}, {4, 3}, {12, 4}, {9, 3, 2, 3, 2, 3}, {1.5, 4}}
	marks  = []draw.GlyphDrawer{draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, diamond{}, draw.CrossGlyph{}, draw.SquareGlyph{}, draw.PlusGlyph{}}
)

// A look is how one subject is drawn in every plot of a run.
type look struct {
	tone   tone
	dashes []vg.Length
	mark   draw.GlyphDrawer // nil for lines that stand behind
	width  vg.Length
}

var (
	lookOfBerth = look{tone: ink, mark: draw.CircleGlyph{}, width: 3.2}
	lookBehind  = look{tone: rest, width: 1}
)

// lookAt returns one of as many looks as there are pairs of a hue and a mark. The first ones differ in
// hue, dashes and mark; later ones share a hue with an earlier one.
func lookAt(place int) look {
	round := place / len(hues)
	return look{
		tone:   hues[place%len(hues)],
		dashes: dashes[(place+2*round)%len(dashes)],
		mark:   marks[(place+3*round)%len(marks)],
		width:  1.6,
	}
}

// berth is the subject that the harness belongs to.
const berth = "berth"

// maxHighlighted is how many lines of one plot are told apart by their looks. More are a mess.
const maxHighlighted = 8

// A troupe is the subjects that are highlighted in one group, the most important one first, and the
// number of plots that they are seen together in.
type troupe struct {
	subjects []string
	plots    int
}

// looks gives every subject of the troupes a look, the same in all plots of the run. Two of one troupe
// have different looks, and different hues wherever that can be had; where it cannot, the hue that
// fewest plots show beside each other is used twice.
//
// This is the colouring of a graph, by Brélaz's rule (1979): next is whoever has the least choice left.
func looks(troupes []troupe) map[string]look {
	beside := neighbours(troupes)
	order := byPlace(troupes)
	places := map[string]int{}
	for range order {
		next, most := "", -1
		for _, subject := range order {
			if _, placed := places[subject]; !placed && len(taken(beside[subject], places)) > most {
				next, most = subject, len(taken(beside[subject], places))
			}
		}
		places[next] = freePlace(taken(beside[next], places))
	}
	found := map[string]look{berth: lookOfBerth}
	for subject, place := range places {
		found[subject] = lookAt(place)
	}
	return found
}

// byPlace returns everybody but Berth once, those who lead a troupe first.
func byPlace(troupes []troupe) []string {
	var order []string
	for place := range maxHighlighted {
		for _, t := range troupes {
			if place < len(t.subjects) && t.subjects[place] != berth && !slices.Contains(order, t.subjects[place]) {
				order = append(order, t.subjects[place])
			}
		}
	}
	return order
}

// neighbours returns in how many plots each subject is seen beside each other one.
func neighbours(troupes []troupe) map[string]map[string]int {
	beside := map[string]map[string]int{}
	for _, t := range troupes {
		for _, subject := range t.subjects {
			if beside[subject] == nil {
				beside[subject] = map[string]int{}
			}
			for _, other := range t.subjects {
				if other != subject {
					beside[subject][other] += t.plots
				}
			}
		}
	}
	return beside
}

// taken returns in how many plots each place is seen beside a subject with these neighbours.
func taken(neighbours, places map[string]int) map[int]int {
	used := map[int]int{}
	for subject, plots := range neighbours {
		if place, ok := places[subject]; ok {
			used[place] += plots
		}
	}
	return used
}

// freePlace returns a place that is not used, with the hue that is used least.
func freePlace(used map[int]int) int {
	byHue := make([]int, len(hues))
	for place, plots := range used {
		byHue[place%len(hues)] += plots
	}
	place := 0
	for hue, plots := range byHue {
		if plots < byHue[place] {
			place = hue
		}
	}
	for used[place] > 0 {
		place += len(hues)
	}
	return place
}

// A diamond is a filled square that stands on its corner.
type diamond struct{}

// DrawGlyph implements [draw.GlyphDrawer].
func (diamond) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	reach := style.Radius * 1.2
	var path vg.Path
	path.Move(vg.Point{X: at.X - reach, Y: at.Y})
	path.Line(vg.Point{X: at.X, Y: at.Y + reach})
	path.Line(vg.Point{X: at.X + reach, Y: at.Y})
	path.Line(vg.Point{X: at.X, Y: at.Y - reach})
	path.Close()
	c.SetColor(style.Color)
	c.Fill(path)
}

// Sizes of text.
const (
	titleSize = 17
	noteSize  = 12
	labelSize = 12
	smallSize = 10.5
)

// lettering returns the style of a piece of text. The font is Liberation Sans: Arial and Helvetica
// have its widths, so text fits where another of them is shown.
func lettering(size vg.Length, t tone, bold bool) text.Style {
	face := font.From(plot.DefaultFont, size)
	face.Variant = "Sans"
	if bold {
		face.Weight = weights.WeightBold
	}
	return text.Style{Color: t, Font: face, XAlign: draw.XLeft, YAlign: draw.YBottom, Handler: plot.DefaultTextHandler}
}

// aligned returns the style with another place of the text relative to its point: -1 for text that
// ends there, -0.5 for text whose middle is there, 0 for text that begins there.
func aligned(style text.Style, x, y float64) text.Style {
	style.XAlign, style.YAlign = text.XAlignment(x), text.YAlignment(y)
	return style
}

// rules returns the style sheet of the tones, below elements that a selector names.
func rules(selector string) string {
	tones := append([]tone{paper, ink, soft, rest, faint}, hues...)
	var out strings.Builder
	fmt.Fprintf(&out, "%s text { font-family: \"Liberation Sans\", Arial, Helvetica, sans-serif; white-space: pre }\n", selector)
	for _, t := range tones {
		fmt.Fprintf(&out, "%s .s-%s { stroke: %s } %[1]s .f-%[2]s { fill: %[3]s }\n", selector, t.name, t.light)
	}
	out.WriteString("@media (prefers-color-scheme: dark) {\n")
	for _, t := range tones {
		fmt.Fprintf(&out, "  %s .s-%s { stroke: %s } %[1]s .f-%[2]s { fill: %[3]s }\n", selector, t.name, t.dark)
	}
	out.WriteString("}\n")
	return out.String()
}
