package scenario

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStep(t *testing.T) {
	words := func(texts ...string) []Word {
		var words []Word
		for _, text := range texts {
			words = append(words, Word{Text: text})
		}
		return words
	}
	for _, c := range []struct {
		line string
		want Step
	}{
		{"", Step{}},
		{"  # remark", Step{Text: "  # remark"}},
		{"reboot", Step{Text: "reboot", Words: words("reboot")}},
		{"\treboot  # now", Step{Text: "\treboot", Words: words("reboot"), Remark: "now"}},
		{"a: exit", Step{Text: "a: exit", Process: "a", Words: words("exit")}},
		{"a: s = socket 2 2 17 -> ok", Step{
			Text: "a: s = socket 2 2 17", Process: "a", Result: "s", Words: words("socket", "2", "2", "17"),
			Checked: true, Outcome: "ok", column: 21,
		}},
		{"d = dump", Step{Text: "d = dump", Result: "d", Words: words("dump")}},
		{"net stop x->y -> not   found # why", Step{
			Text: "net stop x->y", Words: words("net", "stop", "x->y"), Checked: true, Outcome: "not found", Remark: "why", column: 14,
		}},
		{"a: WSAIoctl s 1 {htons(1), 2} &r", Step{
			Text: "a: WSAIoctl s 1 {htons(1), 2} &r", Process: "a", Words: words("WSAIoctl", "s", "1", "{htons(1), 2}", "&r"),
		}},
		{`a: send s "x -> \"y\" # z"`, Step{
			Text: `a: send s "x -> \"y\" # z"`, Process: "a",
			Words: []Word{{Text: "send"}, {Text: "s"}, {Text: `x -> "y" # z`, Quoted: true}},
		}},
		{"a: netsh int ipv4 add ex protocol = tcp", Step{
			Text: "a: netsh int ipv4 add ex protocol = tcp", Process: "a",
			Words: words("netsh", "int", "ipv4", "add", "ex", "protocol", "=", "tcp"),
		}},
	} {
		got, err := ParseStep(c.line)
		require.NoError(t, err, c.line)
		require.Equal(t, c.want, got, c.line)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"reboot ->":                      "test.txt:1: an arrow without an outcome",
		"-> ok":                          "test.txt:1: an outcome without a command",
		"\n| output":                     "test.txt:2: a line of output without a command above it",
		"# remark\n| output":             "test.txt:2: a line of output without a command above it",
		"a:":                             "test.txt:1: a command is missing",
		"a: s =":                         "test.txt:1: a command is missing",
		"1a: exit":                       `test.txt:1: "1a" is no name of a process; want letters and digits`,
		"1s = dump":                      `test.txt:1: "1s" is no name of a variable; want letters and digits`,
		"# \x1b[2J":                      "test.txt:1: a control character; in double quotes it can be written as in Go",
		"dump\n| \x1b[2J":                "test.txt:2: a control character in the output, which no command prints",
		`a: send s "x`:                   "test.txt:1: a quoted word does not end, or has a bad escape",
		"a: WSAIoctl s 1 {1, 2":          "test.txt:1: a brace or parenthesis is not closed",
		strings.Repeat("x", maxLine+1):   "test.txt:1: a line of 65537 bytes, more than 65536",
		strings.Repeat("\n", maxSteps+1): "test.txt:100001: more than 100000 steps",
		strings.Repeat("x", maxFile+1):   "test.txt:1: the file has 4194305 bytes, more than 4194304",
	} {
		_, err := Parse("test.txt", []byte(text))
		require.IsType(t, &SyntaxError{}, err)
		require.EqualError(t, err, reason)
	}
}

func TestParseReadsFilesAndForeignLineEnds(t *testing.T) {
	s, err := Parse("test.txt", []byte("reboot -> ok\r\ndump\r\n|\r\n| a\r\n-- x.txt --\none\ntwo\n-- y --\n"))
	require.NoError(t, err)
	require.Len(t, s.Steps, 2)
	require.Equal(t, "ok", s.Steps[0].Outcome)
	require.Equal(t, []string{"", "a"}, s.Steps[1].Output)
	require.Equal(t, map[string]string{"x.txt": "one\ntwo\n", "y": ""}, s.Files)
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		fits          bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "ab", false}, {"…", "", true}, {"…", "abc", true},
		{"a…", "abc", true}, {"a…", "ba", false}, {"…c", "abc", true}, {"…c", "abcd", false},
		{"a…c", "abc", true}, {"a…a", "a", false}, {"a…b…c", "a b b c", true}, {"a…x…c", "abc", false},
		{"runtime …, runtime …", "runtime 1, runtime 2", true}, {"runtime …, runtime …", "runtime 1", false},
	} {
		require.Equal(t, c.fits, fits(c.pattern, c.text), "%q against %q", c.pattern, c.text)
	}
}

func TestDifference(t *testing.T) {
	for _, c := range []struct{ want, got, lines string }{
		{"a b", "a b", ""},
		{"", "a", "+ | a"},
		{"a", "", "- | a"},
		{"a b c", "a c", "  | a;- | b;  | c"},
		{"a c", "a b c", "  | a;+ | b;  | c"},
		{"a … c", "a b c", ""},
		{"x b", "y b", "- | x;+ | y;  | b"},
	} {
		lines := difference(strings.Fields(c.want), strings.Fields(c.got))
		require.Equal(t, c.lines, strings.Join(lines, ";"), "%q against %q", c.want, c.got)
	}
	require.Nil(t, difference(nil, []string{"a"}), "nothing is expected of the output")
	long := repeated(maxCompared/1000, "a")
	require.Nil(t, difference(long, repeated(maxCompared/1000, "a")))
	require.NotNil(t, difference(long, repeated(maxCompared/1000, "b")))
}

func repeated(n int, line string) []string {
	return strings.Split(strings.Repeat(line+"\n", n-1)+line, "\n")
}

// FuzzScenario plays whatever it is given: nothing may panic or hang, and a transcript is a scenario
// that goes as it says.
func FuzzScenario(f *testing.F) {
	for _, text := range scenarios(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz.txt", text)
		if err != nil || len(s.Steps) > 200 {
			return
		}
		transcript := playAnyway(s)
		again, err := Parse("again.txt", transcript)
		require.NoError(t, err, "%s", transcript)
		again.Files = s.Files
		require.NoError(t, again.Play(t.Context(), func(*Step, *Result) {}), "%s", transcript)
	})
}

// playAnyway plays the steps that make sense, whatever they come to, and returns the transcript.
func playAnyway(s *Scenario) []byte {
	var transcript bytes.Buffer
	sheet := Transcript{Writer: &transcript}
	player := NewPlayer(s.file)
	defer player.Close()
	for i := range s.Steps {
		step := &s.Steps[i]
		if !step.isAction() {
			continue
		}
		if result, err := player.Do(step); err == nil {
			step.Checked = true
			sheet.Step(step, result)
		}
	}
	return transcript.Bytes()
}
