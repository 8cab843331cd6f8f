package scenario

import (
	"errors"
	"strconv"
	"strings"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// A Result is what a step came to.
type Result struct {
	door   bool        // code counts: a Windows function was called
	code   win32.Errno // 0 for success
	isCode bool        // success is shown as a code, too
	value  string      // what success brought
	err    error       // why it failed, as far as somebody said so

	refusal string // how a failure is shown, if not by its condition

	Output []string // lines that the command printed
}

// outcomeOf returns the result of a command that gives nothing but an error.
func outcomeOf(err error) *Result { return &Result{err: err} }

// Succeeded reports whether the step did what it says.
func (r *Result) Succeeded() bool { return r.code == 0 && r.err == nil }

// Outcome says what the step came to, in the words that stand behind an arrow.
func (r *Result) Outcome() string {
	switch {
	case r.door && (r.code != 0 || r.isCode && r.value == ""):
		name := r.code.Name()
		if r.code == win32.NO_ERROR {
			name = "NO_ERROR"
		}
		return name + " (" + strconv.FormatUint(uint64(r.code), 10) + ")"
	case r.err != nil && r.refusal != "":
		return r.refusal
	case r.err != nil:
		return conditionOf(r.err)
	case r.value != "":
		return r.value
	}
	return "ok"
}

// Remark says why the step failed, where somebody knows more than Windows would tell.
func (r *Result) Remark() string {
	if r.err == nil {
		return ""
	}
	var own win32.Errno
	if errors.As(r.err, &own) && r.err == error(own) {
		return ""
	}
	return normal(r.err.Error())
}

// matches compares with the outcome that a scenario expects: a code by its name, its number or both;
// "ok" is any success.
func (r *Result) matches(want string) bool {
	if want == "ok" {
		return r.Succeeded()
	}
	if fits(want, normal(r.Outcome())) {
		return true
	}
	if !r.door || r.value != "" && r.code == 0 {
		return false
	}
	if r.code == 0 && (want == "NO_ERROR" || want == "ERROR_SUCCESS") {
		return true
	}
	return want == r.code.Name() || want == strconv.FormatUint(uint64(r.code), 10)
}

// conditions are the engine's conditions with their words. The first that an error is counts.
var conditions = []struct {
	word string
	err  error
}{
	{"in use", reservation.ErrInUse},
	{"denied", reservation.ErrDenied},
	{"stale", reservation.ErrTokenStale},
	{"not found", reservation.ErrNotFound},
	{"exhausted", reservation.ErrExhausted},
	{"out of order", reservation.ErrState},
	{"closed", reservation.ErrClosed},
	{"unsupported", reservation.ErrUnsupported},
	{"invalid", reservation.ErrInvalid},
}

func conditionOf(err error) string {
	for _, row := range conditions {
		if errors.Is(err, row.err) {
			return row.word
		}
	}
	return "failed"
}

// conditionNamed returns the condition of a word; blanks may be written as hyphens.
func conditionNamed(word string) (error, bool) {
	for _, row := range conditions {
		if strings.ReplaceAll(word, "-", " ") == row.word {
			return row.err, true
		}
	}
	return nil, false
}
