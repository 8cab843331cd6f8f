package command

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	for _, test := range []struct {
		name        string
		isTerminal  bool
		environment map[string]string
		want        bool
	}{
		{"terminal", true, map[string]string{"TERM": "xterm"}, true},
		{"pipe", false, map[string]string{"TERM": "xterm"}, false},
		{"NO_COLOR", true, map[string]string{"NO_COLOR": "1"}, false},
		{"empty NO_COLOR", true, map[string]string{"NO_COLOR": ""}, true},
		{"dumb", true, map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, wantsColours(test.isTerminal, environment(test.environment)))
		})
	}
	s := newScreen(new(bytes.Buffer), environment(nil))
	require.False(t, s.isTerminal, "a buffer is no terminal")
	require.Equal(t, "text", s.paint(red, "text"))
	s.hasColours = true
	require.Equal(t, "\x1b[1;31mtext\x1b[0m", s.paint(red, "text"))
	require.Empty(t, s.paint(red, ""))
}

func TestTablesDropEmptyColumns(t *testing.T) {
	var out bytes.Buffer
	list := &table{head: []string{"NAME", "COUNT", "EMPTY", "LABEL"}, right: map[int]bool{1: true}}
	list.add("a", "1", "", "ä")
	list.add("longer", "100", "", "")
	list.print(newScreen(&out, environment(nil)))
	require.Equal(t, "NAME    COUNT  LABEL\na           1  ä\nlonger    100\n", out.String())
}
