package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// A screen is one output of the command. It keeps the first write error, so that callers print
// without looking and the command fails at its end if something was lost.
type screen struct {
	w          io.Writer
	isTerminal bool
	hasColours bool
	err        error
}

// newScreen returns a screen on w. Colours need a terminal that has not declined them: see
// https://no-color.org for NO_COLOR.
func newScreen(w io.Writer, getenv func(string) string) *screen {
	file, isFile := w.(*os.File)
	s := &screen{w: w, isTerminal: isFile && isTerminal(file)}
	s.hasColours = wantsColours(s.isTerminal, getenv)
	return s
}

func wantsColours(isTerminal bool, getenv func(string) string) bool {
	return isTerminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
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

// A table is printed in columns as wide as their widest cell. Its last column should be the one
// with free text, since its width does not matter.
type table struct {
	head  []string
	right map[int]bool // columns aligned to the right
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print prints the table without columns that are empty in every row.
func (t *table) print(s *screen) {
	widths := make([]int, len(t.head))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, head := range t.head {
		if widths[i] > 0 {
			widths[i] = max(widths[i], len(head))
		}
	}
	s.printf("%s\n", s.paint(bold, t.line(t.head, widths)))
	for _, row := range t.rows {
		s.printf("%s\n", t.line(row, widths))
	}
}

func (t *table) line(cells []string, widths []int) string {
	var line strings.Builder
	for i, cell := range cells {
		if widths[i] == 0 {
			continue
		}
		if line.Len() > 0 {
			line.WriteString("  ")
		}
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.right[i] {
			line.WriteString(padding + cell)
		} else {
			line.WriteString(cell + padding)
		}
	}
	return strings.TrimRight(line.String(), " ")
}

// printLine prints one JSON value on a line of its own.
func (s *screen) printLine(value any) error {
	encoder := json.NewEncoder(s)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
