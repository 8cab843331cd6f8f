package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A svgCanvas is what gonum/plot draws on here. It differs from gonum's own canvas in that a [tone]
// becomes a class, so that one picture serves light and dark pages, and in that it writes nothing
// that is not needed. One unit of it is one CSS pixel at full size.
type svgCanvas struct {
	width, height vg.Length
	body          bytes.Buffer
	state         svgState
	stack         []svgState
}

type svgState struct {
	color     color.Color
	lineWidth vg.Length
	dashes    []vg.Length
	offset    vg.Length
	matrix    matrix
}

// A matrix maps what is drawn to the picture: x' = a·x + c·y + e, y' = b·x + d·y + f.
type matrix struct{ a, b, c, d, e, f float64 }

// times returns the matrix that maps by n first and by m then.
func (m matrix) times(n matrix) matrix {
	return matrix{
		a: m.a*n.a + m.c*n.b, b: m.b*n.a + m.d*n.b,
		c: m.a*n.c + m.c*n.d, d: m.b*n.c + m.d*n.d,
		e: m.a*n.e + m.c*n.f + m.e, f: m.b*n.e + m.d*n.f + m.f,
	}
}

func newSVG(width, height vg.Length) *svgCanvas {
	return &svgCanvas{
		width: width, height: height,
		// The origin of gonum is at the bottom, that of SVG at the top.
		state: svgState{color: ink, lineWidth: 1, matrix: matrix{a: 1, d: -1, f: float64(height)}},
	}
}

// drawing returns the whole canvas in the form that plots draw on.
func (s *svgCanvas) drawing() draw.Canvas { return draw.NewCanvas(s, s.width, s.height) }

// document returns the picture as a file of its own, with its colours, or, without them, as a part
// of a page that has them.
func (s *svgCanvas) document(title, description, style string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s" role="img">`,
		number(float64(s.width)), number(float64(s.height)))
	fmt.Fprintf(&out, "\n<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(description))
	if style != "" {
		fmt.Fprintf(&out, "<style>\n%s</style>\n", style)
		fmt.Fprintf(&out, `<rect class="f-paper" width="%s" height="%s" rx="8"/>`+"\n", number(float64(s.width)), number(float64(s.height)))
	}
	out.Write(s.body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// annotated draws what shows a text when it is pointed at. Each crop of a canvas wraps it once more.
func annotated(c vg.Canvas, text string, paint func()) {
	for {
		switch under := c.(type) {
		case draw.Canvas:
			c = under.Canvas
			continue
		case *svgCanvas:
			fmt.Fprintf(&under.body, "<g><title>%s</title>\n", escape(text))
			defer under.body.WriteString("</g>\n")
		}
		paint()
		return
	}
}

func (s *svgCanvas) SetLineWidth(width vg.Length) { s.state.lineWidth = width }

func (s *svgCanvas) SetLineDash(dashes []vg.Length, offset vg.Length) {
	s.state.dashes, s.state.offset = dashes, offset
}

func (s *svgCanvas) SetColor(c color.Color) {
	if c == nil {
		c = ink
	}
	s.state.color = c
}

func (s *svgCanvas) Rotate(radians float64) {
	sin, cos := math.Sincos(radians)
	s.state.matrix = s.state.matrix.times(matrix{a: cos, b: sin, c: -sin, d: cos})
}

func (s *svgCanvas) Translate(to vg.Point) {
	s.state.matrix = s.state.matrix.times(matrix{a: 1, d: 1, e: float64(to.X), f: float64(to.Y)})
}

func (s *svgCanvas) Scale(x, y float64) {
	s.state.matrix = s.state.matrix.times(matrix{a: x, d: y})
}

func (s *svgCanvas) Push() { s.stack = append(s.stack, s.state) }

func (s *svgCanvas) Pop() {
	s.state = s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
}

func (s *svgCanvas) Stroke(path vg.Path) {
	if s.state.lineWidth <= 0 || len(path) == 0 {
		return
	}
	fmt.Fprintf(&s.body, `<path %s d="%s" fill="none"`, s.paint("s", "stroke"), s.data(path))
	if s.state.lineWidth != 1 {
		fmt.Fprintf(&s.body, ` stroke-width="%s"`, number(float64(s.state.lineWidth)))
	}
	if len(s.state.dashes) > 0 {
		lengths := make([]string, len(s.state.dashes))
		for i, dash := range s.state.dashes {
			lengths[i] = number(float64(dash))
		}
		fmt.Fprintf(&s.body, ` stroke-dasharray="%s"`, strings.Join(lengths, " "))
	}
	s.body.WriteString("/>\n")
}

func (s *svgCanvas) Fill(path vg.Path) {
	if len(path) > 0 {
		fmt.Fprintf(&s.body, `<path %s d="%s"/>`+"\n", s.paint("f", "fill"), s.data(path))
	}
}

func (s *svgCanvas) FillString(face font.Face, at vg.Point, text string) {
	if face.Font.Size <= 0 || strings.TrimSpace(text) == "" {
		return
	}
	x, y := s.point(at)
	fmt.Fprintf(&s.body, `<text %s x="%s" y="%s" font-size="%s"`, s.paint("f", "fill"), number(x), number(y), number(float64(face.Font.Size)))
	if face.Font.Weight > 0 {
		s.body.WriteString(` font-weight="bold"`)
	}
	// Upright text has a matrix that does no more than turn the page upside down.
	if angle := math.Atan2(-s.state.matrix.b, s.state.matrix.a); angle != 0 {
		fmt.Fprintf(&s.body, ` transform="rotate(%s %s %s)"`, number(-angle*180/math.Pi), number(x), number(y))
	}
	fmt.Fprintf(&s.body, ">%s</text>\n", escape(text))
}

// DrawImage draws nothing: plots of numbers hold no images.
func (s *svgCanvas) DrawImage(vg.Rectangle, image.Image) {}

// paint returns the attribute that colours a shape.
func (s *svgCanvas) paint(class, attribute string) string {
	if t, ok := s.state.color.(tone); ok {
		return `class="` + class + "-" + t.name + `"`
	}
	r, g, b, _ := s.state.color.RGBA()
	return fmt.Sprintf(`%s="#%02x%02x%02x"`, attribute, r>>8, g>>8, b>>8)
}

// data returns a path in SVG's notation.
func (s *svgCanvas) data(path vg.Path) string {
	var out strings.Builder
	for _, part := range path {
		switch part.Type {
		case vg.MoveComp:
			s.command(&out, "M", part.Pos)
		case vg.LineComp:
			s.command(&out, "L", part.Pos)
		case vg.CurveComp:
			letter := "Q"
			if len(part.Control) == 2 {
				letter = "C"
			}
			s.command(&out, letter, append(part.Control[:len(part.Control):len(part.Control)], part.Pos)...)
		case vg.ArcComp:
			s.arc(&out, part)
		case vg.CloseComp:
			out.WriteByte('Z')
		}
	}
	return out.String()
}

func (s *svgCanvas) command(out *strings.Builder, letter string, points ...vg.Point) {
	out.WriteString(letter)
	for i, at := range points {
		if i > 0 {
			out.WriteByte(' ')
		}
		x, y := s.point(at)
		out.WriteString(number(x) + " " + number(y))
	}
}

// arc draws in halves, since SVG cannot draw a full circle at once.
func (s *svgCanvas) arc(out *strings.Builder, part vg.PathComp) {
	on := func(angle float64) vg.Point {
		sin, cos := math.Sincos(angle)
		return part.Pos.Add(vg.Point{X: part.Radius * vg.Length(cos), Y: part.Radius * vg.Length(sin)})
	}
	letter := "L"
	if out.Len() == 0 {
		letter = "M"
	}
	s.command(out, letter, on(part.Start))
	// Seen in the picture, whose y points down, gonum's positive direction is against the clock.
	sweep := "0"
	if part.Angle < 0 {
		sweep = "1"
	}
	radius := number(float64(part.Radius) * math.Hypot(s.state.matrix.a, s.state.matrix.b))
	for _, share := range []float64{0.5, 1} {
		x, y := s.point(on(part.Start + part.Angle*share))
		out.WriteString("A" + radius + " " + radius + " 0 0 " + sweep + " " + number(x) + " " + number(y))
	}
}

func (s *svgCanvas) point(at vg.Point) (x, y float64) {
	m, px, py := s.state.matrix, float64(at.X), float64(at.Y)
	return m.a*px + m.c*py + m.e, m.b*px + m.d*py + m.f
}

// number writes a coordinate to a tenth of a pixel. It does so in one way, so that the same results
// give the same bytes.
func number(v float64) string {
	rounded := math.Round(v*10) / 10
	if rounded == 0 {
		return "0" // and not "-0"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// escape makes text safe within an element. What XML has no place for becomes U+FFFD.
func escape(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text)) // a bytes.Buffer takes all
	return out.String()
}
