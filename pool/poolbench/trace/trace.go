// Package trace is a text format for what an allocator of ports was asked to do, so that cores can
// be compared on the load of a real program.
//
//	berth trace 1
//	# what stood there before
//	insert udp 50000-50099
//	# a program looks, finds and takes
//	overlaps udp 50050-50149
//	who udp 50050-50149
//	find udp 10 within 1024-65535 align 2
//	insert udp 1024-1033
//	delete udp 50000-50099
//
// The first line is the header. Each further line is one operation, or a comment if it starts with
// "#", or blank. A port is in one block of its protocol at most: an insertion overlaps no block, and a
// deletion names a whole one. [Reader] and [Writer] refuse anything else, so a trace that was read
// can be played without a check.
package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berthkit/berth/pool"
)

// header is the first line of every trace.
const header = "berth trace 1"

// A Verb says what an operation does. The zero Verb is invalid.
type Verb uint8

// The verbs.
const (
	Insert   Verb = iota + 1 // a block comes
	Delete                   // a block goes
	Overlaps                 // is any port of the range in a block?
	Who                      // which block has a port of the range?
	Find                     // where are count free ports in a row?
)

var verbs = [...]string{Insert: "insert", Delete: "delete", Overlaps: "overlaps", Who: "who", Find: "find"}

// String returns the word of the verb, or "verb(N)".
func (v Verb) String() string {
	if v == 0 || int(v) >= len(verbs) {
		return fmt.Sprintf("verb(%d)", uint8(v))
	}
	return verbs[v]
}

// An Operation is one line of a trace.
type Operation struct {
	Verb     Verb
	Protocol pool.Protocol
	Range    pool.Range // the block, or what is asked about; of Find where to look
	Count    int        // of Find: how many ports in a row, 1 to 65,535; otherwise 0
	Align    int        // of Find: the first port is a multiple of it, 1 to 65,535; otherwise 0
}

// String returns the line of the operation: "find udp 10 within 1024-65535 align 2".
func (op Operation) String() string { return string(op.AppendTo(nil)) }

// AppendTo appends what String returns.
func (op Operation) AppendTo(b []byte) []byte {
	b = append(b, op.Verb.String()...)
	b = append(b, ' ')
	b = append(b, op.Protocol.String()...)
	b = append(b, ' ')
	if op.Verb != Find {
		return op.Range.AppendTo(b)
	}
	b = strconv.AppendInt(b, int64(op.Count), 10)
	if op.Range != pool.AllPorts {
		b = op.Range.AppendTo(append(b, " within "...))
	}
	if op.Align != 1 {
		b = strconv.AppendInt(append(b, " align "...), int64(op.Align), 10)
	}
	return b
}

// check returns what is wrong with an operation alone, empty if nothing is.
func (op Operation) check() string {
	switch {
	case op.Verb == 0 || int(op.Verb) >= len(verbs):
		return "want insert, delete, overlaps, who or find"
	case !op.Protocol.IsValid():
		return "want udp or tcp"
	case !op.Range.IsValid():
		return "the range holds no port"
	case op.Verb != Find && (op.Count != 0 || op.Align != 0):
		return "only find has a count and an alignment"
	case op.Verb == Find && (op.Count < 1 || op.Count > pool.MaxPort):
		return fmt.Sprintf("find wants a count of 1 to %d ports", pool.MaxPort)
	case op.Verb == Find && (op.Align < 1 || op.Align > pool.MaxPort):
		return fmt.Sprintf("find wants an alignment of 1 to %d", pool.MaxPort)
	}
	return ""
}

// Parse reads an operation as String writes it. Words are separated by one blank or more, ranges may
// be written in any way that [pool.ParseRange] reads. The error is a [*pool.ParseError].
func Parse(line string) (Operation, error) {
	op, err := parse(strings.Fields(line))
	reason := op.check()
	if err != nil {
		reason = err.Error()
	}
	if reason != "" {
		return Operation{}, &pool.ParseError{What: "operation", Input: line, Reason: reason}
	}
	return op, nil
}

func parse(words []string) (op Operation, err error) {
	if len(words) < 3 {
		return op, fmt.Errorf("want an operation such as %q", "insert udp 50000-50099")
	}
	for verb, word := range verbs {
		if word == words[0] {
			op.Verb = Verb(verb)
		}
	}
	if op.Protocol, err = pool.ParseProtocol(words[1]); err != nil {
		return op, err
	}
	if op.Verb == Find {
		return parseFind(op, words[2], words[3:])
	}
	if len(words) > 3 {
		return op, fmt.Errorf("%q is too much", strings.Join(words[3:], " "))
	}
	op.Range, err = pool.ParseRange(words[2])
	return op, err
}

// parseFind reads what follows "find udp".
func parseFind(op Operation, count string, options []string) (Operation, error) {
	op.Range, op.Align = pool.AllPorts, 1
	var err error
	if op.Count, err = parseNumber(count); err != nil {
		return op, err
	}
	if len(options) > 1 && options[0] == "within" {
		if op.Range, err = pool.ParseRange(options[1]); err != nil {
			return op, err
		}
		options = options[2:]
	}
	if len(options) > 1 && options[0] == "align" {
		if op.Align, err = parseNumber(options[1]); err != nil {
			return op, err
		}
		options = options[2:]
	}
	if len(options) > 0 {
		return op, fmt.Errorf("%q is too much; want within RANGE, then align N", strings.Join(options, " "))
	}
	return op, nil
}

// parseNumber reads digits only: signs are no part of the format.
func parseNumber(digits string) (int, error) {
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of 1 to %d", digits, pool.MaxPort)
	}
	return int(n), nil
}
