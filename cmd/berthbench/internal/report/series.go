package report

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/statistics"
)

// A series is one subject's line. It is a [plot.Plotter].
type series struct {
	subject string
	look    look
	unit    string
	points  []point // one for each contest of the family
	small   bool    // in one of many plots: no marks to point at
}

// A point is what was measured at one value. It has no place in the plot if the subject did not take
// part, or if its median has no logarithm.
type point struct {
	x       float64
	caption string
	summary statistics.Summary
}

func (p point) drawn() bool { return p.summary.Count > 0 && drawable(p.summary.Median) }

// seriesOf returns the lines of a family: first those that stand behind, then those with a look of
// their own, the most important one last, so that it is drawn above the others.
func seriesOf(f family, cast cast) []series {
	var behind, before []series
	for _, subject := range cast.subjects {
		one := series{subject: subject, unit: f.unit, look: cast.look(subject)}
		present := false
		for _, contest := range f.contests {
			p := point{x: float64(f.dimension.of(contest.Work)), caption: caption(contest.Work.Name)}
			for _, standing := range contest.Standings {
				if standing.Figure.Subject == subject {
					p.summary = standing.Summary
				}
			}
			present = present || p.drawn()
			one.points = append(one.points, p)
		}
		switch {
		case !present:
		case one.look.mark == nil:
			behind = append(behind, one)
		default:
			before = append([]series{one}, before...)
		}
	}
	return append(behind, before...)
}

// last returns the point that the line ends at.
func (s series) last() point {
	for i := len(s.points) - 1; i >= 0; i-- {
		if s.points[i].drawn() {
			return s.points[i]
		}
	}
	return point{} // seriesOf leaves out lines without a point
}

// Plot draws the line through the medians, a whisker from quartile to quartile, and what lies apart.
func (s series) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	at := func(x, y float64) vg.Point { return vg.Point{X: toX(x), Y: toY(y)} }
	line := draw.LineStyle{Color: s.look.tone, Width: s.look.width, Dashes: s.look.dashes}
	for _, run := range s.runs() {
		points := make([]vg.Point, len(run))
		for i, p := range run {
			points[i] = at(p.x, p.summary.Median)
		}
		c.StrokeLines(line, points)
	}
	for _, point := range s.points {
		switch {
		case !point.drawn():
		case s.small:
			s.look.drawMark(&c, at(point.x, point.summary.Median), 2)
		default:
			text := fmt.Sprintf("%s, %s: %s", s.subject, point.caption, describe(point.summary, s.unit))
			annotated(c.Canvas, text, func() { s.plotPoint(c, point, at) })
		}
	}
}

// runs returns the stretches of the line that no missing point breaks.
func (s series) runs() [][]point {
	var runs [][]point
	whole := false
	for _, p := range s.points {
		switch {
		case !p.drawn():
			whole = false
			continue
		case !whole:
			runs = append(runs, nil)
		}
		whole = true
		runs[len(runs)-1] = append(runs[len(runs)-1], p)
	}
	return runs
}

func (s series) plotPoint(c draw.Canvas, point point, at func(x, y float64) vg.Point) {
	if drawable(point.summary.Lower) {
		low, high := at(point.x, point.summary.Lower), at(point.x, point.summary.Upper)
		c.StrokeLine2(draw.LineStyle{Color: s.look.tone, Width: 1}, low.X, low.Y, high.X, high.Y)
	}
	for _, outlier := range point.summary.Outliers {
		if drawable(outlier) {
			c.DrawGlyph(draw.GlyphStyle{Color: s.look.tone, Radius: 1.3, Shape: draw.RingGlyph{}}, at(point.x, outlier))
		}
	}
	s.look.drawMark(&c, at(point.x, point.summary.Median), 3.4)
}

// drawMark draws the mark of a line; one that stands behind has a dot.
func (l look) drawMark(c *draw.Canvas, at vg.Point, radius vg.Length) {
	shape := l.mark
	switch shape.(type) {
	case nil:
		shape, radius = draw.CircleGlyph{}, 1.5
	case draw.RingGlyph, draw.SquareGlyph:
		// Hollow marks hide the line below them, or they would not be seen to be hollow.
		c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: radius, Shape: draw.CircleGlyph{}}, at)
	}
	c.DrawGlyph(draw.GlyphStyle{Color: l.tone, Radius: radius, Shape: shape}, at)
}

// describe says what was measured at one point: "5.30 ns, quartiles 5.20 ns to 5.40 ns".
func describe(s statistics.Summary, unit string) string {
	text := fmt.Sprintf("%s, quartiles %s to %s, %d runs", quantity.Format(s.Median, unit),
		quantity.Format(s.Lower, unit), quantity.Format(s.Upper, unit), s.Count)
	if len(s.Outliers) > 0 {
		text += fmt.Sprintf(", %d of them apart", len(s.Outliers))
	}
	return text
}
