// Package quantity writes measured numbers for people: "4.23 ns", "15.9 µs", "1.15 kB", "1,000".
package quantity

import (
	"math"
	"strconv"
	"strings"
)

// None stands where there is no number.
const None = "–"

// Format writes a value that was measured in a unit of package result, such as "ns/op" or "B/block", with
// three significant digits. What the value is counted by, the part of the unit behind the slash, is
// left to the words around it. A value that is no number is [None].
func Format(value float64, unit string) string { return format(value, unit, threeDigits) }

// Mark writes a value as [Format] does but without zeros at its end, for the marks of an axis.
func Mark(value float64, unit string) string { return format(value, unit, shortest) }

func format(value float64, unit string, digits func(float64) string) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return None
	}
	base, _, _ := strings.Cut(unit, "/")
	units, known := scales[base]
	if !known {
		return strings.TrimSpace(digits(value) + " " + base)
	}
	step := 0
	for step < len(units)-1 && rounded(value) >= 1000 {
		value /= 1000
		step++
	}
	return digits(value) + " " + units[step]
}

// scales are units that follow each other by a factor of 1,000.
var scales = map[string][]string{
	"ns": {"ns", "µs", "ms", "s"},
	"B":  {"B", "kB", "MB", "GB"},
}

// rounded is the size of a value as three digits show it, so that 999.9 ns becomes 1.00 µs.
func rounded(value float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(value, 'g', 3, 64), 64)
	return math.Abs(rounded)
}

func threeDigits(value float64) string {
	switch size := rounded(value); {
	case size == 0:
		return "0"
	case size >= 1e6 || size < 0.01:
		return strconv.FormatFloat(value, 'g', 3, 64)
	case size >= 100:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

func shortest(value float64) string {
	return strconv.FormatFloat(value, 'g', 3, 64)
}

// Ratio writes how many times as large something is: "1.00×", "23.4×", "8,190×".
func Ratio(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return None
	}
	if ratio >= 1000 && ratio < 1e12 {
		return Count(int(math.Round(ratio))) + "×"
	}
	return threeDigits(ratio) + "×"
}

// Percent writes a share of 1: "3 %". What is not nothing and less than half of a percent is "<1 %",
// and what is not quite all is never "100 %".
func Percent(share float64) string {
	percent := share * 100
	switch {
	case math.IsNaN(share) || math.IsInf(share, 0):
		return None
	case percent > 0 && percent < 0.5:
		return "<1 %"
	case percent >= 99 && percent < 100:
		return strconv.FormatFloat(math.Floor(percent*100)/100, 'f', -1, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + " %"
}

// Count writes a whole number with a comma before every three digits.
func Count(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for end := len(digits) - 3; end > 0; end -= 3 {
		digits = digits[:end] + "," + digits[end:]
	}
	return sign + digits
}
