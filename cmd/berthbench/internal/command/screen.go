package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// A screen is one output of the command. It keeps the first write error, so that callers print
// without looking and the command fails at its end if something was lost.
type screen struct {
	w          io.Writer
	isTerminal bool
	hasColours bool
	width      int // in characters
	err        error
}

// pipeWidth is how wide tables may be where nobody has to read them in a window.
const pipeWidth = 170

// newScreen returns a screen on w. Colours need a terminal that has not declined them: see
// https://no-color.org for NO_COLOR.
func newScreen(w io.Writer, getenv func(string) string) *screen {
	s := &screen{w: w, width: pipeWidth}
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return s
	}
	s.isTerminal = true
	s.hasColours = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		s.width = width
	}
	return s
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

func (s *screen) printf(format string, arguments ...any) {
	fmt.Fprintf(s, format, arguments...)
}

// printJSON prints one indented JSON value and a line end.
func (s *screen) printJSON(value any) error {
	encoder := json.NewEncoder(s)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// A style is an ANSI escape sequence that starts a way of writing.
type style string

const (
	bold  style = "\x1b[1m"
	faint style = "\x1b[2m"
	red   style = "\x1b[1;31m"
	green style = "\x1b[32m"
	cyan  style = "\x1b[36m"

	plain = "\x1b[0m"
)

// paint returns text in that style, or as it is where colours do not belong.
func (s *screen) paint(style style, text string) string {
	if !s.hasColours || text == "" {
		return text
	}
	return string(style) + text + plain
}
