package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/tools/txtar"
)

// Bounds on what Parse reads, far above what a person writes.
const (
	maxFile  = 4 << 20 // bytes
	maxLine  = 64 << 10
	maxSteps = 100_000
)

// A SyntaxError is a line that Parse does not understand.
type SyntaxError struct {
	Scenario string
	Line     int
	Reason   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Scenario, e.Line, e.Reason) }

// Parse reads a scenario: an archive in the txtar format whose comment is the steps. The error is a
// *SyntaxError.
func Parse(name string, text []byte) (*Scenario, error) {
	if len(text) > maxFile {
		return nil, &SyntaxError{name, 1, fmt.Sprintf("the file has %d bytes, more than %d", len(text), maxFile)}
	}
	archive := txtar.Parse(text)
	s := &Scenario{Name: name, Files: make(map[string]string, len(archive.Files))}
	for _, file := range archive.Files {
		s.Files[file.Name] = string(file.Data)
	}
	number := 0
	for line := range strings.Lines(string(archive.Comment)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if output, is := strings.CutPrefix(line, "|"); is {
			last := len(s.Steps) - 1
			switch {
			case last < 0 || !s.Steps[last].isAction():
				return nil, &SyntaxError{name, number, "a line of output without a command above it"}
			case hasControl(output):
				return nil, &SyntaxError{name, number, "a control character in the output, which no command prints"}
			}
			s.Steps[last].Output = append(s.Steps[last].Output, strings.TrimPrefix(output, " "))
			continue
		}
		if len(s.Steps) == maxSteps {
			return nil, &SyntaxError{name, number, fmt.Sprintf("more than %d steps", maxSteps)}
		}
		step, err := ParseStep(line)
		if err != nil {
			return nil, &SyntaxError{name, number, err.Error()}
		}
		step.Line = number
		s.Steps = append(s.Steps, step)
	}
	return s, nil
}

// Load reads the scenario in a file.
func Load(path string) (*Scenario, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.ToSlash(path), []byte(text))
}

// readFile reads a file of this computer, of at most maxFile bytes.
func readFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxFile:
		return "", fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return string(data), nil
}

// hasControl reports whether text holds what could steer a terminal.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return c != '\t' && unicode.IsControl(c) })
}

// ParseStep reads one line: [PROCESS:] [VARIABLE =] COMMAND [ARGUMENT...] [-> OUTCOME] [# remark].
func ParseStep(line string) (Step, error) {
	step := Step{Text: strings.TrimRight(line, " \t")}
	switch {
	case len(line) > maxLine:
		return Step{}, fmt.Errorf("a line of %d bytes, more than %d", len(line), maxLine)
	case hasControl(line):
		return Step{}, errors.New("a control character; in double quotes it can be written as in Go")
	}
	words, end, err := split(line)
	if err != nil {
		return Step{}, err
	}
	rest := line[end:]
	if len(words) > 0 {
		step.Text = strings.TrimRight(line[:end], " \t")
	}
	if after, is := strings.CutPrefix(rest, "->"); is {
		step.Checked, step.column = true, end
		var outcome string
		outcome, rest = cutRemark(after)
		step.Outcome = normal(outcome)
		if step.Outcome == "" {
			return Step{}, errors.New("an arrow without an outcome")
		}
	}
	if len(words) == 0 {
		if step.Checked {
			return Step{}, errors.New("an outcome without a command")
		}
		return step, nil
	}
	step.Remark = strings.TrimSpace(strings.TrimPrefix(rest, "#"))
	if process, is := strings.CutSuffix(words[0].Text, ":"); is && !words[0].Quoted {
		if !isName(process) {
			return Step{}, fmt.Errorf("%q is no name of a process; want letters and digits", process)
		}
		step.Process, words = process, words[1:]
	}
	if len(words) >= 2 && words[1] == (Word{Text: "="}) {
		if !isName(words[0].Text) || words[0].Quoted {
			return Step{}, fmt.Errorf("%q is no name of a variable; want letters and digits", words[0].Text)
		}
		step.Result, words = words[0].Text, words[2:]
	}
	if len(words) == 0 {
		return Step{}, errors.New("a command is missing")
	}
	step.Words = words
	return step, nil
}

// split returns the words of a line and where they end: at the arrow, at the remark, or with the line.
// Blanks separate words, unless they are in double quotes or braces.
func split(line string) (words []Word, end int, err error) {
	for i := 0; i < len(line); {
		switch rest := line[i:]; {
		case rest[0] == ' ' || rest[0] == '\t':
			i++
		case rest[0] == '#', rest == "->" || strings.HasPrefix(rest, "-> ") || strings.HasPrefix(rest, "->\t"):
			return words, i, nil
		case rest[0] == '"':
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, 0, errors.New("a quoted word does not end, or has a bad escape")
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, 0, err
			}
			words = append(words, Word{Text: text, Quoted: true})
			i += len(quoted)
		default:
			end, err := endOfWord(rest)
			if err != nil {
				return nil, 0, err
			}
			words = append(words, Word{Text: rest[:end]})
			i += end
		}
	}
	return words, len(line), nil
}

// cutRemark cuts text before a remark, which begins with a # after a blank, outside quotes.
func cutRemark(text string) (before, remark string) {
	quoted, blank := false, true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '#' && blank && !quoted:
			return text[:i], text[i:]
		}
		blank = i < len(text) && (text[i] == ' ' || text[i] == '\t')
	}
	return text, ""
}

// normal returns text with its words one blank apart.
func normal(text string) string { return strings.Join(strings.Fields(text), " ") }

func endOfWord(text string) (int, error) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '(':
			depth++
		case '}', ')':
			depth--
		case ' ', '\t':
			if depth <= 0 {
				return i, nil
			}
		}
	}
	if depth > 0 {
		return 0, errors.New("a brace or parenthesis is not closed")
	}
	return len(text), nil
}

// isName reports whether text can name a process or a variable.
func isName(text string) bool {
	for i, c := range text {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		digit := '0' <= c && c <= '9'
		if !letter && (!digit || i == 0) {
			return false
		}
	}
	return text != ""
}
