package report

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
)

// Measures of the pictures, in CSS pixels at full size.
const (
	pictureWidth = 840
	margin       = 22
	headHeight   = 62
	footHeight   = 30
	lineHeight   = 15
)

// linePlot draws cost over the dimension of a family, with a label at the end of every line.
func linePlot(g group, f family, cast cast, foot string) Plot {
	lines := seriesOf(f, cast)
	height := max(480, vg.Length(len(lines))*lineHeight+headHeight+footHeight+80)
	canvas := newSVG(pictureWidth, height)
	dc := canvas.drawing()
	title := g.heading("cost over " + f.dimension.title)
	subtitle := joined(" · ", measured(f.unit)+", lower is better", caption(f.rest), "whiskers: quartiles, rings: runs apart")
	drawFrame(dc, title, subtitle, foot)

	p := newPlot(f, f.valueSpan(), f.costs().padded(0.03), 0.1)
	for _, line := range lines {
		p.Add(line)
	}
	p.X.Label.Text = f.dimension.label
	labelWidth := endLabelWidth(lines)
	area := draw.Crop(dc, margin, -labelWidth-margin-20, footHeight+8, -headHeight)
	p.Draw(area)
	drawEndLabels(dc, p, p.DataCanvas(area), lines)

	return picture(canvas, g.name+"-over-"+f.dimension.key, title, describeLines(lines, f))
}

// newPlot returns a plot with the axes of a family and a grid.
func newPlot(f family, values, costs span, apart float64) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	values.padded(0.02).set(&p.X, countTicks(f.values()))
	costs.set(&p.Y, costs.costTicks(f.unit, apart))
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle.Width = 0
		axis.Padding = 4
		axis.Tick.Length = 0
		axis.Label.TextStyle = aligned(lettering(labelSize, soft, false), -0.5, 0)
		axis.Label.Padding = 5
	}
	p.X.LineStyle = draw.LineStyle{Color: soft, Width: 1}
	p.X.Tick.Length, p.X.Tick.LineStyle = 4, draw.LineStyle{Color: soft, Width: 1}
	p.X.Tick.Label = aligned(lettering(labelSize, soft, false), -0.5, -1)
	p.Y.Tick.Label = aligned(lettering(labelSize, soft, false), -1, -0.5)
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal = draw.LineStyle{Color: faint, Width: 1}
	p.Add(grid)
	return p
}

// drawFrame draws what stands around every plot.
func drawFrame(dc draw.Canvas, title, subtitle, foot string) {
	dc.FillText(aligned(lettering(titleSize, ink, true), 0, -1), vg.Point{X: margin, Y: dc.Max.Y - 14}, short(title, 90))
	dc.FillText(aligned(lettering(noteSize, soft, false), 0, -1), vg.Point{X: margin, Y: dc.Max.Y - 37}, short(subtitle, 130))
	dc.FillText(lettering(smallSize, soft, false), vg.Point{X: margin, Y: 10}, short(foot, 150))
}

// measured says what the numbers of a unit are.
func measured(unit string) string {
	base, per, _ := strings.Cut(unit, "/")
	if base == "ns" {
		return "Median time of one operation"
	}
	if base == "B" && per != "" {
		return "Bytes per " + short(per, 20)
	}
	return "Median of " + short(unit, 20)
}

// endLabelWidth is what the widest label takes.
func endLabelWidth(lines []series) vg.Length {
	width := vg.Length(0)
	for _, line := range lines {
		name, value := line.endLabel()
		style := lettering(labelSize, ink, line.subject == berth)
		width = max(width, style.Width(name)+6+lettering(smallSize, soft, false).Width(value))
	}
	return width
}

func (s series) endLabel() (name, value string) {
	return short(s.subject, longest), quantity.Format(s.last().summary.Median, s.unit)
}

// drawEndLabels writes the names beside the ends of the lines and joins the two.
func drawEndLabels(dc draw.Canvas, p *plot.Plot, data draw.Canvas, lines []series) {
	toX, toY := p.Transforms(&data)
	wanted := make([]vg.Length, len(lines))
	for i, line := range lines {
		wanted[i] = toY(line.last().summary.Median)
	}
	x := data.Max.X + 20
	for i, y := range pushApart(wanted, lineHeight, data.Min.Y-6, data.Max.Y+6) {
		line := lines[i]
		end := vg.Point{X: toX(line.last().x), Y: wanted[i]}
		leader := draw.LineStyle{Color: line.look.tone, Width: 0.7}
		if end.X < data.Max.X-data.Size().X/20 {
			leader.Dashes = []vg.Length{1, 3} // the line ends here, and this is not its continuation
		}
		dc.StrokeLines(leader, []vg.Point{{X: end.X + 5, Y: end.Y}, {X: max(data.Max.X, end.X+5), Y: end.Y}, {X: x - 3, Y: y}})
		name, value := line.endLabel()
		style := aligned(lettering(labelSize, line.look.tone, line.subject == berth), 0, -0.5)
		if line.look.mark == nil {
			style.Color = soft
		} else {
			line.look.drawMark(&dc, vg.Point{X: x + 2, Y: y}, 3.4)
		}
		at := vg.Point{X: x + 10, Y: y}
		dc.FillText(style, at, name)
		at.X += style.Width(name) + 6
		dc.FillText(aligned(lettering(smallSize, soft, false), 0, -0.5), at, value)
	}
}

// describeLines says in words what the plot shows, for those who cannot see it.
func describeLines(lines []series, f family) string {
	var ends []string
	for i := len(lines) - 1; i >= 0; i-- {
		name, value := lines[i].endLabel()
		ends = append(ends, name+" "+value)
	}
	if len(ends) == 0 {
		return "Nothing was measured."
	}
	values := f.values()
	return fmt.Sprintf("Lines from %s to %s %s. At their ends: %s.", quantity.Count(values[0]),
		quantity.Count(values[len(values)-1]), f.dimension.label, strings.Join(ends, ", "))
}

// joined joins the texts that are not empty.
func joined(separator string, texts ...string) string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, separator)
}
