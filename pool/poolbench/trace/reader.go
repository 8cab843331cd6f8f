package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berthkit/berth/pool"
)

// ErrFormat is what every error about the text of a trace wraps. It wraps [pool.ErrInvalid] in turn.
var ErrFormat = fmt.Errorf("bad trace: %w", pool.ErrInvalid)

// An Error tells which line of a trace cannot be used, and why. It wraps [ErrFormat].
type Error struct {
	Line   int // from 1
	Reason string
}

// Error says what is wrong in which line.
func (e *Error) Error() string { return fmt.Sprintf("bad trace: line %d: %s", e.Line, e.Reason) }

// Unwrap returns [ErrFormat].
func (e *Error) Unwrap() error { return ErrFormat }

// maxLine is the longest line that is read, in bytes; no operation comes near it.
const maxLine = 4096

// A Reader reads a trace. It is not safe for concurrent use.
type Reader struct {
	lines  *bufio.Scanner
	number int // of the line that was read last
	blocks blocks
	err    error // why there is nothing more to read
}

// NewReader returns a reader of the trace that r holds.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	return &Reader{lines: lines}
}

// Read returns the next operation, io.EOF after the last one. Any other error is an [*Error], or
// what the underlying reader returned; it is returned again by every later call.
func (r *Reader) Read() (Operation, error) {
	for r.err == nil {
		line, ok := r.line()
		if !ok {
			break
		}
		if r.number == 1 {
			if line != header {
				r.fail(fmt.Sprintf("this is no trace: want the header %q", header))
			}
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		op, err := Parse(line)
		if err == nil {
			err = r.blocks.apply(op)
		}
		if err != nil {
			r.fail(err.Error())
			break
		}
		return op, nil
	}
	return Operation{}, r.err
}

// line returns the next line without blanks around it, false and r.err at the end.
func (r *Reader) line() (string, bool) {
	if r.lines.Scan() {
		r.number++
		return strings.TrimSpace(r.lines.Text()), true
	}
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		r.number++
		r.fail(fmt.Sprintf("longer than %d bytes", maxLine))
	case err != nil:
		r.err = err
	case r.number == 0:
		r.number = 1
		r.fail(fmt.Sprintf("this is no trace: want the header %q", header))
	default:
		r.err = io.EOF
	}
	return "", false
}

func (r *Reader) fail(reason string) { r.err = &Error{Line: r.number, Reason: reason} }

// blocks are what the operations of a trace have left so far.
type blocks struct{ udp, tcp pool.Pool[struct{}] }

// apply makes the operation on the blocks. It returns what does not fit them and changes nothing then.
func (b *blocks) apply(op Operation) error {
	ports := &b.udp
	if op.Protocol == pool.TCP {
		ports = &b.tcp
	}
	switch op.Verb {
	case Insert:
		if block, _, found := ports.FirstOverlap(op.Range); found {
			return fmt.Errorf("%s: it overlaps the block %s", op, block)
		}
		ports.Insert(op.Range, struct{}{})
	case Delete:
		if _, found := ports.Delete(op.Range); !found {
			return fmt.Errorf("%s: no block has exactly these ports", op)
		}
	}
	return nil
}
