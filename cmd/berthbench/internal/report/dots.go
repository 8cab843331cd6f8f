package report

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// Measures of plots of dots: columns of numbers stand at the right of them.
const (
	rowHeight    = 20
	captionSpace = 30
	columnWidth  = 74
)

// dotsPlot draws contests below each other, a row for each subject: its median and spread on a common
// axis, and numbers beside it.
func dotsPlot(g group, contests []statistics.Contest, foot string) Plot {
	unit := contests[0].Unit
	var costs span
	rows, jobs := 0, false
	nameWidth := vg.Length(60)
	for _, contest := range contests {
		costs = costs.over(contest)
		rows += len(contest.Standings)
		for _, standing := range contest.Standings {
			jobs = jobs || standing.Figure.Attempts > 0
			style := lettering(labelSize, ink, standing.Figure.Subject == berth)
			nameWidth = max(nameWidth, style.Width(short(standing.Figure.Subject, longest)))
		}
	}
	const axisHeight = 34
	canvas := newSVG(pictureWidth, vg.Length(rows*rowHeight+len(contests)*captionSpace)+headHeight+axisHeight+footHeight)
	dc := canvas.drawing()
	title := g.title
	subtitle := joined(" · ", measured(unit)+", lower is better", "bars: quartiles, rings: runs apart")
	drawFrame(dc, title, subtitle, foot)

	columns := []column{medianColumn, ratioColumn(unit)}
	if jobs {
		columns = append(columns, successColumn)
	}
	costs = costs.padded(0.04)
	area := draw.Crop(dc, margin+nameWidth+12, -margin-vg.Length(len(columns)*columnWidth)-4, footHeight, -headHeight)
	top := area.Max.Y
	for i, contest := range contests {
		bottom := top - captionSpace - vg.Length(len(contest.Standings)*rowHeight)
		panel := area
		panel.Max.Y, panel.Min.Y = top-captionSpace, bottom
		drawDots(dc, panel, contest, costs, i == len(contests)-1)
		drawNumbers(dc, top, contest, columns)
		top = bottom
	}
	return picture(canvas, g.name, title, describeDots(contests))
}

// drawDots draws one contest; the last one has the marks of the common axis below it.
func drawDots(dc, panel draw.Canvas, contest statistics.Contest, costs span, last bool) {
	p := plot.New()
	p.BackgroundColor = nil
	p.HideY()
	p.Y.Padding = 0
	p.Y.Min, p.Y.Max = -0.5, float64(len(contest.Standings))-0.5
	ticks := costs.costTicks(contest.Unit, 0.1)
	costs.set(&p.X, ticks)
	p.X.Padding, p.X.LineStyle.Width, p.X.Tick.Length = 0, 0, 0
	p.X.Tick.Label = aligned(lettering(labelSize, soft, false), -0.5, -1)
	if last {
		p.X.Padding, p.X.LineStyle = 4, draw.LineStyle{Color: soft, Width: 1}
		p.X.Tick.Length, p.X.Tick.LineStyle = 4, draw.LineStyle{Color: soft, Width: 1}
	} else {
		p.X.Tick.Label.Font.Size = 0
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	grid.Vertical = draw.LineStyle{Color: faint, Width: 1}
	p.Add(grid, dots(contest.Standings))
	panel.Min.Y -= p.DataCanvas(panel).Min.Y - panel.Min.Y // the axis stands below the rows
	p.Draw(panel)
}

// dots are the rows of one contest, the first one on top. They are a [plot.Plotter].
type dots []statistics.Standing

// Plot draws a bar from quartile to quartile, a mark at the median and rings at what lies apart.
func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for i, standing := range d {
		s := standing.Summary
		if s.Count == 0 || !drawable(s.Median) {
			continue
		}
		y := toY(float64(len(d) - 1 - i))
		annotated(c.Canvas, standing.Figure.Subject+": "+describe(s, standing.Figure.Unit), func() {
			plotDot(c, standing, toX, y)
		})
	}
}

func plotDot(c draw.Canvas, standing statistics.Standing, toX func(float64) vg.Length, y vg.Length) {
	s := standing.Summary
	color, radius := hues[0], vg.Length(4)
	if standing.Figure.Subject == berth {
		color, radius = ink, 5
	}
	if drawable(s.Lower) {
		c.StrokeLine2(draw.LineStyle{Color: color, Width: 3}, toX(s.Lower), y, toX(s.Upper), y)
	}
	for _, outlier := range s.Outliers {
		if drawable(outlier) {
			c.DrawGlyph(draw.GlyphStyle{Color: color, Radius: 2.2, Shape: draw.RingGlyph{}}, vg.Point{X: toX(outlier), Y: y})
		}
	}
	c.DrawGlyph(draw.GlyphStyle{Color: color, Radius: radius, Shape: draw.CircleGlyph{}}, vg.Point{X: toX(s.Median), Y: y})
}

// A column is numbers beside the dots.
type column struct {
	title string
	of    func(statistics.Standing) string
	warn  func(statistics.Standing) bool // whether the number is to be noticed
}

func never(statistics.Standing) bool { return false }

// fails reports whether some attempts failed.
func fails(s statistics.Standing) bool { return s.Figure.Successes < s.Figure.Attempts }

var (
	medianColumn = column{"median", func(s statistics.Standing) string {
		return quantity.Format(s.Summary.Median, s.Figure.Unit)
	}, never}
	successColumn = column{"success", success, fails}
)

func ratioColumn(unit string) column {
	return column{strings.ToLower(toBest(unit)), func(s statistics.Standing) string {
		if s.Noise {
			return "~ " + quantity.Ratio(s.Ratio)
		}
		return quantity.Ratio(s.Ratio)
	}, never}
}

// success returns how many of the attempts succeeded.
func success(s statistics.Standing) string {
	if s.Figure.Attempts <= 0 {
		return quantity.None
	}
	return quantity.Percent(float64(s.Figure.Successes) / float64(s.Figure.Attempts))
}

// drawNumbers writes the caption of a contest, the names of its rows and the columns beside them.
func drawNumbers(dc draw.Canvas, top vg.Length, contest statistics.Contest, columns []column) {
	dc.FillText(lettering(labelSize, ink, true), vg.Point{X: margin, Y: top - captionSpace + 4}, short(caption(contest.Work.Name), 70))
	for place, column := range columns {
		x := pictureWidth - margin - vg.Length((len(columns)-1-place)*columnWidth)
		dc.FillText(aligned(lettering(smallSize, soft, false), -1, 0), vg.Point{X: x, Y: top - captionSpace + 4}, column.title)
		for i, standing := range contest.Standings {
			at := vg.Point{X: x, Y: top - captionSpace - (vg.Length(i)+0.5)*rowHeight}
			style := lettering(labelSize, ink, standing.Figure.Subject == berth)
			if place == 0 {
				dc.FillText(aligned(style, 0, -0.5), vg.Point{X: margin, Y: at.Y}, short(standing.Figure.Subject, longest))
			}
			if column.warn(standing) {
				style.Color = hues[1]
			}
			dc.FillText(aligned(style, -1, -0.5), at, column.of(standing))
		}
	}
}

// describeDots says in words who won.
func describeDots(contests []statistics.Contest) string {
	var texts []string
	for _, contest := range contests {
		if first := contest.Standings[0]; first.Summary.Count > 0 {
			texts = append(texts, fmt.Sprintf("%s: %s has the lowest median, %s", caption(contest.Work.Name),
				short(first.Figure.Subject, longest), quantity.Format(first.Summary.Median, contest.Unit)))
		}
	}
	return strings.Join(texts, "; ") + "."
}
