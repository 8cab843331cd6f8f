package report

import (
	"math"

	"gonum.org/v1/plot"

	"github.com/berthkit/berth/cmd/berthbench/internal/quantity"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// A dimension is a measure of work that cost is drawn over.
type dimension struct {
	key   string // the part of the work's name that says it
	title string // in "cost over …"
	label string // at the axis
	of    func(result.Work) int
}

// dimensions are in the order of their importance: of a group whose work differs in several, the
// first is shown for every value of the others.
var dimensions = []dimension{
	{"goroutines", "the number of readers", "goroutines that ask, beside one that changes blocks", func(w result.Work) int { return w.Goroutines }},
	{"blocks", "the number of blocks", "blocks in the core", func(w result.Work) int { return w.Blocks }},
	{"width", "the width", "ports in a query or block", func(w result.Work) int { return w.Width }},
}

// A span is the range of what is drawn on a logarithmic axis. The zero span is empty.
type span struct{ low, high float64 }

// with returns the span with a value in it. What a logarithm does not exist for stays out.
func (s span) with(value float64) span {
	if !drawable(value) {
		return s
	}
	if s.low == 0 {
		return span{value, value}
	}
	return span{math.Min(s.low, value), math.Max(s.high, value)}
}

// padded returns the span with room at both ends, and never without extent.
func (s span) padded(share float64) span {
	if s.low == 0 {
		return span{1, 10}
	}
	room := math.Max(math.Pow(s.high/s.low, share), 1.05)
	padded := span{s.low / room, s.high * room}
	if !drawable(padded.low) || !drawable(padded.high) {
		return s.widened()
	}
	return padded
}

// widened is for values so near to the ends of what a number can be that there is no room.
func (s span) widened() span {
	return span{math.Max(s.low/2, math.SmallestNonzeroFloat64), math.Min(s.high, math.MaxFloat64/2) * 2}
}

// drawable reports whether a value has a place on a logarithmic axis.
func drawable(value float64) bool { return value > 0 && !math.IsInf(value, 1) }

// set makes an axis of gonum logarithmic and shows the span on it.
func (s span) set(axis *plot.Axis, ticks []plot.Tick) {
	axis.Scale = plot.LogScale{}
	axis.Min, axis.Max = s.low, s.high
	axis.Tick.Marker = plot.ConstantTicks(ticks)
}

// costTicks marks an axis of costs: powers of ten where there are many, steps of 1, 2 and 5 or finer
// where the span is short. No two are nearer than a share of the axis, so that labels have room.
func (s span) costTicks(unit string, apart float64) []plot.Tick {
	for _, steps := range [][]float64{
		{1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4, 3.6, 3.8, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5},
		{1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9},
		{1, 1.5, 2, 3, 4, 6, 8},
		{1, 2, 5},
		{1, 3},
	} {
		if ticks := s.ticksAt(1, steps, unit); s.hasRoom(ticks, apart) {
			return ticks
		}
	}
	for every := 1; ; every++ {
		if ticks := s.ticksAt(every, []float64{1}, unit); s.hasRoom(ticks, apart) {
			return ticks
		}
	}
}

func (s span) hasRoom(ticks []plot.Tick, apart float64) bool {
	for i := 1; i < len(ticks); i++ {
		if math.Log(ticks[i].Value)-math.Log(ticks[i-1].Value) < apart*(math.Log(s.high)-math.Log(s.low)) {
			return false
		}
	}
	return true
}

// ticksAt marks the given multiples of every so manieth power of ten.
func (s span) ticksAt(every int, steps []float64, unit string) []plot.Tick {
	var ticks []plot.Tick
	first := int(math.Floor(math.Log10(s.low)))
	for power := first - first%every - every; power <= int(math.Ceil(math.Log10(s.high))); power += every {
		for _, step := range steps {
			value := step * math.Pow10(power)
			if value >= s.low && value <= s.high {
				ticks = append(ticks, plot.Tick{Value: value, Label: quantity.Mark(value, unit)})
			}
		}
	}
	return ticks
}

// countTicks marks the values that were measured.
func countTicks(values []int) []plot.Tick {
	ticks := make([]plot.Tick, len(values))
	for i, value := range values {
		ticks[i] = plot.Tick{Value: float64(value), Label: quantity.Count(value)}
	}
	return ticks
}
