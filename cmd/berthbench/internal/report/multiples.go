package report

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
)

// multiplesPlot draws all families of a group as small plots side by side, with equal axes, so that
// what changes from one to the next can be seen.
func multiplesPlot(g group, families []family, cast cast, foot string) Plot {
	columns := min(3, len(families)) // there are three hit rates
	if len(families) > 18 {
		columns = 4
	}
	rows := (len(families) + columns - 1) / columns
	along := families[0].dimension
	legend := legendOf(families, cast)
	legendHeight := vg.Length(legend.rows()*20 + 8)

	const panelHeight = 176
	canvas := newSVG(pictureWidth, vg.Length(rows*panelHeight)+headHeight+footHeight+legendHeight)
	dc := canvas.drawing()
	title := g.heading("cost over " + along.title + ", all work")
	subtitle := joined(" · ", measured(families[0].unit)+", lower is better", "across: "+along.label)
	drawFrame(dc, title, subtitle, foot)
	legend.draw(&dc, dc.Max.Y-headHeight-4)

	plots := panels(families, cast, columns)
	tiles := draw.Tiles{Cols: columns, Rows: rows, PadX: 14, PadY: 30, PadTop: 22}
	area := draw.Crop(dc, margin, -margin, footHeight, -headHeight-legendHeight)
	for y, row := range plot.Align(plots, tiles, area) {
		for x, tile := range row {
			if plots[y][x] == nil {
				continue
			}
			plots[y][x].Draw(tile)
			data := plots[y][x].DataCanvas(tile)
			text := short(caption(families[y*columns+x].rest), 150/columns)
			dc.FillText(lettering(smallSize, ink, true), vg.Point{X: data.Min.X, Y: data.Max.Y + 5}, text)
		}
	}
	description := fmt.Sprintf("%s small plots: %s.", quantity.Count(len(families)), captions(families))
	return picture(canvas, g.name+"-over-"+along.key+"-all", title, description)
}

func captions(families []family) string {
	texts := make([]string, len(families))
	for i, f := range families {
		texts[i] = caption(f.rest)
	}
	return strings.Join(texts, "; ")
}

// panels returns the plots in rows. The last row may end with nil.
func panels(families []family, cast cast, columns int) [][]*plot.Plot {
	costs := map[string]span{} // by unit
	var values span
	for _, f := range families {
		values = values.with(f.valueSpan().low).with(f.valueSpan().high)
		for _, contest := range f.contests {
			costs[f.unit] = costs[f.unit].over(contest)
		}
	}
	var rows [][]*plot.Plot
	for i, f := range families {
		if i%columns == 0 {
			rows = append(rows, make([]*plot.Plot, columns))
		}
		p := newPlot(f, values, costs[f.unit].padded(0.03), 0.16)
		for _, line := range seriesOf(f, cast) {
			line.small = true
			line.look.width = max(0.8, line.look.width*0.7)
			p.Add(line)
		}
		p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = 9, 9
		p.X.Tick.Marker = plot.ConstantTicks(smallCountTicks(f.values()))
		if i%columns > 0 {
			p.Y.Tick.Marker = unlabelled(p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max))
		}
		rows[len(rows)-1][i%columns] = p
	}
	return rows
}

// smallCountTicks marks values in little room: "30k" for 30,000.
func smallCountTicks(values []int) []plot.Tick {
	ticks := countTicks(values)
	for i, value := range values {
		if value >= 1000 && value%1000 == 0 {
			ticks[i].Label = fmt.Sprintf("%dk", value/1000)
		}
	}
	return ticks
}

// unlabelled keeps the places of ticks, which the grid is drawn at.
func unlabelled(ticks []plot.Tick) plot.ConstantTicks {
	kept := make(plot.ConstantTicks, len(ticks))
	for i, tick := range ticks {
		kept[i] = plot.Tick{Value: tick.Value, Label: " "}
	}
	return kept
}

// A legend tells the looks of lines apart. Lines that stand behind share one entry.
type legend struct {
	entries []legendEntry
	across  []vg.Length // where each entry begins
	down    []int       // and in which row
}

type legendEntry struct {
	text string
	look look
	bold bool
}

// legendOf returns the legend of lines in the order of their importance.
func legendOf(families []family, cast cast) legend {
	present := map[string]bool{}
	for _, f := range families {
		for _, contest := range f.contests {
			for _, standing := range contest.Standings {
				present[standing.Figure.Subject] = true
			}
		}
	}
	var l legend
	behind := 0
	for _, subject := range cast.subjects {
		switch look := cast.look(subject); {
		case !present[subject]:
		case look.mark == nil:
			behind++
		default:
			l.entries = append(l.entries, legendEntry{short(subject, longest), look, subject == berth})
		}
	}
	if behind > 0 {
		l.entries = append(l.entries, legendEntry{counted(fmt.Sprint(behind), "other"), lookBehind, false})
	}
	x, row := vg.Length(margin), 0
	for _, entry := range l.entries {
		width := 34 + lettering(labelSize, ink, entry.bold).Width(entry.text) + 18
		if x > margin && x+width > pictureWidth-margin {
			x, row = margin, row+1
		}
		l.across, l.down = append(l.across, x), append(l.down, row)
		x += width
	}
	return l
}

func (l legend) rows() int {
	if len(l.down) == 0 {
		return 0
	}
	return l.down[len(l.down)-1] + 1
}

func (l legend) draw(dc *draw.Canvas, top vg.Length) {
	for i, entry := range l.entries {
		x, y := l.across[i], top-vg.Length(l.down[i]*20)-8
		dc.StrokeLine2(draw.LineStyle{Color: entry.look.tone, Width: entry.look.width, Dashes: entry.look.dashes}, x, y, x+28, y)
		entry.look.drawMark(dc, vg.Point{X: x + 14, Y: y}, 3.2)
		dc.FillText(aligned(lettering(labelSize, ink, entry.bold), 0, -0.5), vg.Point{X: x + 34, Y: y}, entry.text)
	}
}
