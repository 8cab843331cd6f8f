package scenario

import (
	"fmt"
	"io"
	"strings"
)

// A Part is a part of a transcript that may be coloured.
type Part uint8

// The parts of a transcript.
const (
	Comment Part = iota
	Action
	Success
	Refusal
	Remark
	Printed
)

// A Transcript writes steps with what they came to. What it writes can be played again.
type Transcript struct {
	Writer io.Writer
	Paint  func(part Part, text string) string // nil leaves text as it is
}

func (t *Transcript) paint(part Part, text string) string {
	if t.Paint == nil || text == "" {
		return text
	}
	return t.Paint(part, text)
}

// Step writes a step: the line as it stands in the file, the outcome behind it, the output below. The
// result of a comment is nil.
func (t *Transcript) Step(step *Step, result *Result) {
	if result == nil {
		fmt.Fprintf(t.Writer, "%s\n", t.paint(Comment, step.Text))
		return
	}
	text := step.Text
	outcome := t.outcome(result, step.Checked)
	if outcome != "" {
		text += strings.Repeat(" ", max(1, step.column-len(text)))
	}
	if step.Remark != "" && result.Remark() == "" {
		outcome += t.paint(Remark, "   # "+step.Remark)
	}
	fmt.Fprintf(t.Writer, "%s%s\n", t.paint(Action, text), outcome)
	t.output(result)
}

// Answer writes a result alone, below the line that somebody has typed.
func (t *Transcript) Answer(result *Result) {
	t.output(result)
	if outcome := t.outcome(result, true); outcome != "" {
		fmt.Fprintf(t.Writer, "%s\n", outcome)
	}
}

// outcome returns the arrow and what stands behind it. A mere success goes without saying unless
// always is set.
func (t *Transcript) outcome(result *Result, always bool) string {
	text := result.Outcome()
	if text == "ok" && !always {
		return ""
	}
	part := Success
	if !result.Succeeded() {
		part = Refusal
	}
	outcome := t.paint(part, "-> "+text)
	if remark := result.Remark(); remark != "" {
		outcome += t.paint(Remark, "   # "+remark)
	}
	return outcome
}

func (t *Transcript) output(result *Result) {
	for _, line := range result.Output {
		fmt.Fprintf(t.Writer, "%s\n", t.paint(Printed, strings.TrimRight("| "+line, " ")))
	}
}
