package pool

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// MaxPort is the highest port number. Port 0 is no port: in requests it means "any".
const MaxPort = 65535

// A Range is a run of consecutive ports, first and last included. It is comparable, so it can be a
// map key. The zero Range is invalid and holds no port; every other Range holds 1 to 65,535 ports.
type Range struct {
	first, last uint16
}

// AllPorts is the range 1-65535.
var AllPorts = Range{1, MaxPort}

// RangeFrom returns the range of count ports that starts at first. The error wraps [ErrInvalid] if
// first is 0, if count is below 1, or if the range would run past port 65535.
func RangeFrom(first uint16, count int) (Range, error) {
	switch {
	case first == 0:
		return Range{}, rangeError(fmt.Sprintf("%d+%d", first, count), reasonPortZero)
	case count < 1:
		return Range{}, rangeError(fmt.Sprintf("%d+%d", first, count), "a range has at least 1 port")
	case count > MaxPort-int(first)+1:
		return Range{}, rangeError(fmt.Sprintf("%d+%d", first, count),
			fmt.Sprintf("it runs past port %d; at most %d ports fit from %d on", MaxPort, MaxPort-int(first)+1, first))
	}
	return Range{first, uint16(int(first) + count - 1)}, nil
}

// RangeOf returns the range of the single port, invalid for port 0.
func RangeOf(port uint16) Range {
	return Range{port, port}
}

const reasonPortZero = "port 0 cannot be part of a range; ports are 1-65535"

func rangeError(input, reason string) error {
	return &ParseError{What: "range", Input: input, Reason: reason}
}

// ParseRange reads "50000-50099" (first to last), "50000+100" (first and count) or "50000" (one
// port). Numbers are decimal digits only: no signs, no blanks. The error wraps [ErrInvalid].
func ParseRange(s string) (Range, error) {
	if first, count, found := strings.Cut(s, "+"); found {
		start, err := parsePort(s, first)
		if err != nil {
			return Range{}, err
		}
		n, err := parseDecimal(count)
		if err != nil {
			return Range{}, rangeError(s, quote(count)+" is not a count of ports")
		}
		r, err := RangeFrom(start, n)
		if err != nil {
			return Range{}, rangeError(s, err.(*ParseError).Reason)
		}
		return r, nil
	}
	low, high, found := strings.Cut(s, "-")
	first, err := parsePort(s, low)
	if err != nil {
		return Range{}, err
	}
	if !found {
		return RangeOf(first), nil
	}
	last, err := parsePort(s, high)
	if err != nil {
		return Range{}, err
	}
	if last < first {
		return Range{}, rangeError(s, fmt.Sprintf("the last port is below the first; did you mean %d-%d?", last, first))
	}
	return Range{first, last}, nil
}

// MustParseRange is [ParseRange] for constants: it panics on an error.
func MustParseRange(s string) Range {
	r, err := ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r
}

func parsePort(input, digits string) (uint16, error) {
	n, err := parseDecimal(digits)
	switch {
	case err != nil:
		return 0, rangeError(input, quote(digits)+" is not a port number; want 50000-50099, 50000+100 or 50000")
	case n == 0:
		return 0, rangeError(input, reasonPortZero)
	case n > MaxPort:
		return 0, rangeError(input, fmt.Sprintf("%s is above the highest port, %d", quote(digits), MaxPort))
	}
	return uint16(n), nil
}

// parseDecimal accepts digits only: strconv.Atoi would let signs pass.
func parseDecimal(s string) (int, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return MaxPort + 1, nil // digits only, yet too large for an int: too large for a port as well
	}
	return n, nil
}

// First returns the lowest port, 0 for the zero Range.
func (r Range) First() uint16 { return r.first }

// Last returns the highest port, 0 for the zero Range.
func (r Range) Last() uint16 { return r.last }

// Count returns the number of ports, 0 for the zero Range.
func (r Range) Count() int {
	if !r.IsValid() {
		return 0
	}
	return int(r.last) - int(r.first) + 1
}

// IsValid reports whether r holds a port.
func (r Range) IsValid() bool { return r.first != 0 }

// Contains reports whether port lies in r.
func (r Range) Contains(port uint16) bool { return r.IsValid() && r.first <= port && port <= r.last }

// Covers reports whether every port of other lies in r. An invalid other is covered by nothing.
func (r Range) Covers(other Range) bool {
	return r.IsValid() && other.IsValid() && r.first <= other.first && other.last <= r.last
}

// Overlaps reports whether r and other have a port in common.
func (r Range) Overlaps(other Range) bool {
	return r.IsValid() && other.IsValid() && r.first <= other.last && other.first <= r.last
}

// Intersect returns the ports that r and other have in common, the zero Range if none.
func (r Range) Intersect(other Range) Range {
	if !r.Overlaps(other) {
		return Range{}
	}
	return Range{max(r.first, other.first), min(r.last, other.last)}
}

// Compare orders ranges by first port, then by last.
func (r Range) Compare(other Range) int {
	return cmp.Or(cmp.Compare(r.first, other.first), cmp.Compare(r.last, other.last))
}

// Ports yields the ports of r in ascending order.
func (r Range) Ports() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for port := int(r.first); r.IsValid() && port <= int(r.last); port++ {
			if !yield(uint16(port)) {
				return
			}
		}
	}
}

// String returns "50000-50099", "50000" for a single port and "invalid" for the zero Range.
func (r Range) String() string { return string(r.AppendTo(nil)) }

// AppendTo appends what String returns.
func (r Range) AppendTo(b []byte) []byte {
	if !r.IsValid() {
		return append(b, "invalid"...)
	}
	b = strconv.AppendUint(b, uint64(r.first), 10)
	if r.last == r.first {
		return b
	}
	return strconv.AppendUint(append(b, '-'), uint64(r.last), 10)
}

// MarshalText returns what String returns, and an error that wraps [ErrInvalid] for the zero Range.
func (r Range) MarshalText() ([]byte, error) {
	if !r.IsValid() {
		return nil, rangeError(r.String(), "it holds no port")
	}
	return r.AppendTo(nil), nil
}

// UnmarshalText accepts what [ParseRange] accepts.
func (r *Range) UnmarshalText(text []byte) error {
	parsed, err := ParseRange(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
