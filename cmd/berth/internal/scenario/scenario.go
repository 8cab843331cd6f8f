// Package scenario plays text files on a simulated Windows computer: lines of commands, each with the
// outcome that is expected of it. docs/scenarios.md is the manual of their language.
//
// The nouns:
//
//   - A [Scenario] is a parsed file: [Step] after step. [Parse] reads it.
//   - A [Player] is the computer that steps are played on: a machine, its processes with their doors,
//     and the variables that steps have set.
//   - A [Result] is what a step came to, and a [Mismatch] the error if the file says otherwise.
//
// It lives below the command because it wires the machine to the Windows doors, which no library
// package but the one of this computer may.
package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Scenario is a sequence of steps and the files that they use.
type Scenario struct {
	Name  string // of the file, for messages
	Steps []Step
	Files map[string]string // of the archive that the file is, by name
}

// A Step is a line of a scenario with the expectation that belongs to it. One without words is a
// comment or an empty line.
type Step struct {
	Line    int    // number of the line, from 1
	Text    string // the line as it stands, without what follows the command
	Process string // who acts, before the colon; empty for the machine
	Result  string // the variable before the equals sign
	Words   []Word // the command and its arguments

	Remark  string   // behind a number sign at the end
	Checked bool     // there is an outcome to compare with
	Outcome string   // behind the arrow
	Output  []string // the lines below that start with a bar

	column int // of the arrow
}

// A Word is a word of a command.
type Word struct {
	Text   string
	Quoted bool // it stood in double quotes
}

// command returns the step's first word.
func (s *Step) command() string { return s.Words[0].Text }

// isAction reports whether the step does something.
func (s *Step) isAction() bool { return len(s.Words) > 0 }

// A Mismatch is an outcome, or an output, other than the scenario says.
type Mismatch struct {
	Scenario string
	Step     *Step
	Got      *Result
}

// Error says what was expected and what came, a line each.
func (m *Mismatch) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s", m.Scenario, m.Step.Line, strings.TrimSpace(m.Step.Text))
	want := "ok"
	if m.Step.Checked {
		want = m.Step.Outcome
	}
	if !m.Got.matches(want) {
		fmt.Fprintf(&b, "\n  want -> %s\n  got  -> %s", want, m.Got.Outcome())
		if remark := m.Got.Remark(); remark != "" {
			fmt.Fprintf(&b, "   # %s", remark)
		}
		return b.String()
	}
	for _, line := range difference(m.Step.Output, m.Got.Output) {
		b.WriteString("\n  " + line)
	}
	return b.String()
}

// A StepError is a step that could not be played: it is no command, or its arguments make no sense.
type StepError struct {
	Scenario string
	Line     int
	Err      error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Scenario, e.Line, e.Err) }

// Play plays the scenario on a new computer, up to its end or the first error: a *Mismatch, a
// *StepError, or what ctx ended with. It calls played after each step that was played, the one that
// did not match included; comments have a nil result.
func (s *Scenario) Play(ctx context.Context, played func(*Step, *Result)) error {
	player := NewPlayer(s.file)
	defer player.Close()
	for i := range s.Steps {
		step := &s.Steps[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if !step.isAction() {
			played(step, nil)
			continue
		}
		result, err := player.Do(step)
		if err != nil {
			return &StepError{Scenario: s.Name, Line: step.Line, Err: err}
		}
		played(step, result)
		if !step.agrees(result) {
			return &Mismatch{Scenario: s.Name, Step: step, Got: result}
		}
	}
	return nil
}

func (s *Scenario) file(name string) (string, error) {
	content, known := s.Files[name]
	if !known {
		return "", fmt.Errorf("the scenario has no file %s", name)
	}
	return content, nil
}

// agrees reports whether the result is what the step expects. Where it says nothing the step must
// succeed, with any output.
func (s *Step) agrees(got *Result) bool {
	if !s.Checked {
		return got.matches("ok") && (s.Output == nil || len(difference(s.Output, got.Output)) == 0)
	}
	return got.matches(s.Outcome) && len(difference(s.Output, got.Output)) == 0
}

// difference returns the lines of want and got with their marks, none if they are equal. Blanks at
// the end of lines, which editors take away, do not count.
func difference(want, got []string) []string {
	if want == nil {
		return nil
	}
	var common [][2]int
	if len(want)*len(got) <= maxCompared {
		common = longestCommon(want, got)
	} else if slices.EqualFunc(want, got, equalLines) {
		return nil
	}
	var lines []string
	w, g, differs := 0, 0, false
	emit := func(mark, line string) {
		lines = append(lines, strings.TrimRight(mark+line, " "))
		differs = differs || mark != "  | "
	}
	for _, pair := range append(common, [2]int{len(want), len(got)}) {
		for ; w < pair[0]; w++ {
			emit("- | ", want[w])
		}
		for ; g < pair[1]; g++ {
			emit("+ | ", got[g])
		}
		if w < len(want) && g < len(got) {
			emit("  | ", got[g])
			w, g = w+1, g+1
		}
	}
	if !differs {
		return nil
	}
	return lines
}

// maxCompared is how many pairs of lines are compared to find what two long outputs have in common.
const maxCompared = 4 << 20

// equalLines compares a line that is expected with one that came.
func equalLines(want, got string) bool {
	return fits(strings.TrimRight(want, " "), strings.TrimRight(got, " "))
}

// anything stands for any text in what is expected.
const anything = "…"

// fits reports whether text is the pattern, in which anything stands for any text.
func fits(pattern, text string) bool {
	parts := strings.Split(pattern, anything)
	if len(parts) == 1 {
		return pattern == text
	}
	text, starts := strings.CutPrefix(text, parts[0])
	if !starts {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[last])
}

// longestCommon returns the indexes of a longest common subsequence of lines.
func longestCommon(a, b []string) [][2]int {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	equal := func(i, j int) bool { return equalLines(a[i], b[j]) }
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if equal(i, j) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var common [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case equal(i, j):
			common = append(common, [2]int{i, j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}
