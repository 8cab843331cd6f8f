package trace

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/berthkit/berth/pool"
)

// A Writer writes a trace. It is not safe for concurrent use.
type Writer struct {
	out    *bufio.Writer
	blocks blocks
	begun  bool // the header is written
	line   []byte
}

// NewWriter returns a writer of a trace to w. Call Flush at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{out: bufio.NewWriter(w)} }

// Write writes an operation. It returns an error that wraps [pool.ErrInvalid], and writes nothing, if
// the operation is malformed or does not fit the blocks that are there: what a Writer writes a
// [Reader] reads. Any other error is that of the underlying writer; the trace ends there.
func (w *Writer) Write(op Operation) error {
	if reason := op.check(); reason != "" {
		return &pool.ParseError{What: "operation", Input: op.String(), Reason: reason}
	}
	if err := w.blocks.apply(op); err != nil {
		return fmt.Errorf("%w: %w", pool.ErrInvalid, err)
	}
	w.line = append(op.AppendTo(w.line[:0]), '\n')
	return w.put(w.line)
}

// Comment writes a comment of one line. Control characters become blanks, and a long text is cut.
func (w *Writer) Comment(text string) error {
	printable := func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxLine/2)], "?")
	return w.put([]byte("# " + strings.Map(printable, text) + "\n"))
}

// Flush writes out what is buffered, and the header if there is nothing else.
func (w *Writer) Flush() error {
	if err := w.put(nil); err != nil {
		return err
	}
	return w.out.Flush()
}

func (w *Writer) put(line []byte) error {
	if !w.begun {
		w.begun = true
		line = append([]byte(header+"\n"), line...)
	}
	_, err := w.out.Write(line)
	return err
}
