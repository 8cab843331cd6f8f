package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandsWorkAsWritten executes the console and sh blocks of each document in order, in one
// shell that starts in an empty home and prints to a terminal. In a console block a line that starts with "$ " is a command,
// "> " continues it, and the lines below are what it prints, on either stream: a "…" within a line
// stands for any text, a line "…" for any number of lines, and a run of blanks for any other, since
// the width of a table follows its contents. A command fails if and only if its output shows
// a line that starts with "berth: ". What a command in the background prints is waited for. A block
// that uses the go command or make starts at the top of the checkout, others start at home.
func TestCommandsWorkAsWritten(t *testing.T) {
	for name, text := range documents(t) {
		var scripts []block
		for _, b := range blocks(name, string(text)) {
			if b.language == "console" || b.language == "sh" {
				scripts = append(scripts, b)
			}
		}
		if len(scripts) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			patiently(t, func(t *testing.T) *difference { return execute(t, scripts, environment) })
		})
	}
}

// execute runs the blocks of one document and returns the first difference, nil if there is none.
func execute(t *testing.T, scripts []block, environment func(t *testing.T, home string) []string) *difference {
	t.Helper()
	home := t.TempDir()
	s := startShell(t, home, environment(t, home))
	for _, script := range scripts {
		folder := `cd "$HOME"`
		if atTop.MatchString(script.text) {
			folder = `cd "$BERTH_TOP"`
		}
		if _, status, err := s.run(folder, nil); err != nil || status != 0 {
			return &difference{text: fmt.Sprintf("%s: cannot %s: status %d, %v", script, folder, status, err)}
		}
		for _, step := range steps(script) {
			if strings.Contains(step.command, "python3") {
				if _, err := exec.LookPath("python3"); err != nil {
					t.Skipf("%s needs python3, which is not on this computer", script)
				}
			}
			if found := step.execute(s); found != nil {
				found.text = fmt.Sprintf("%s: $ %s\n%s", script, step.command, found.text)
				return found
			}
		}
	}
	return nil
}

var atTop = regexp.MustCompile(`(?m)^(?:\$ )?(?:go|make) `)

// A step is one command of a document and what the document shows of its output.
type step struct {
	command  string
	want     string // as shown
	anything bool   // nothing is shown on purpose
}

// steps returns the commands of a console block one by one, those of an sh block as one.
func steps(b block) []step {
	if b.language == "sh" {
		return []step{{command: "( set -e\n" + b.text + ")", anything: true}}
	}
	var list []step
	for line := range strings.Lines(b.text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		more, continues := strings.CutPrefix(line, "> ")
		switch {
		case isCommand:
			list = append(list, step{command: strings.TrimSuffix(command, "\n")})
		case len(list) == 0: // a document's mistake, which shows as a command that fails
			list = append(list, step{command: strings.TrimSuffix(line, "\n")})
		case continues && list[len(list)-1].want == "":
			list[len(list)-1].command += "\n" + strings.TrimSuffix(more, "\n")
		default:
			list[len(list)-1].want += line
		}
	}
	return list
}

// exitInUse is the exit code of berth for ports that somebody has.
const exitInUse = 4

// execute runs the step and returns what differs from the document, nil if nothing does.
func (c step) execute(s *shell) *difference {
	want := pattern(c.want)
	var enough func(string) bool
	if strings.HasSuffix(strings.TrimSpace(c.command), "&") {
		enough = func(output string) bool { return want.MatchString(tidy(output)) }
	}
	output, status, err := s.run(c.command, enough)
	found := &difference{stranger: status == exitInUse && !showsFailure.MatchString(c.want)}
	switch {
	case err != nil:
		found.text = fmt.Sprintf("%v; it printed:\n%s", err, output)
	case !c.anything && !want.MatchString(tidy(output)):
		found.text = fmt.Sprintf("the document shows:\n%s\nthe command printed (status %d):\n%s", c.want, status, output)
	case (status != 0) != showsFailure.MatchString(c.want):
		found.text = fmt.Sprintf("status %d; it printed:\n%s", status, output)
	default:
		return nil
	}
	return found
}

var (
	showsFailure = regexp.MustCompile(`(?m)^berth: `)
	blanks       = regexp.MustCompile(`[ \t]+`)
	lineEnds     = regexp.MustCompile(`(?m)[ \t\r]+$`)
)

// pattern makes an expression for tidy output of what a document shows.
func pattern(want string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(tidy(want)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			b.WriteString(`(?:.*\n)*`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	return regexp.MustCompile(`^` + b.String() + `$`)
}

// tidy takes off what does not count: blank lines around, blanks at line ends, the number of blanks.
func tidy(output string) string {
	output = strings.Trim(lineEnds.ReplaceAllString(output, ""), "\n")
	if output == "" {
		return ""
	}
	return blanks.ReplaceAllString(output, " ") + "\n"
}

// programs is where the command is built for all tests together.
var programs string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "berth-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = folder
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

// requireCommand builds berth, once, into programs.
func requireCommand(t *testing.T) {
	t.Helper()
	require.NoError(t, buildCommand())
}

var buildCommand = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-o", programs+string(filepath.Separator), "./cmd/berth")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build berth: %w\n%s", err, output)
	}
	return nil
})

func TestExecuteFindsWhatDiffers(t *testing.T) {
	for _, c := range []struct{ name, language, text, problem string }{
		{"same output", "console", "$ echo a   b\na b\n", ""},
		{"a terminal", "console", "$ test -t 1 && test -t 2 && echo yes\nyes\n", ""},
		{"both streams in order", "console", "$ echo 1; echo 2 >&2; echo 3\n1\n2\n3\n", ""},
		{"other output", "console", "$ echo a\nb\n", "shows:\nb"},
		{"output that is not shown", "console", "$ echo a\n", "printed"},
		{"output that is shown and missing", "console", "$ true\na\n", "shows:\na"},
		{"failure that is not shown", "console", "$ false\n", "status 1"},
		{"failure that is shown", "console", "$ echo 'berth: no'; false\nberth: no\n", ""},
		{"success where a failure is shown", "console", "$ echo 'berth: no'\nberth: no\n", "status 0"},
		{"variables last", "console", "$ a=1; cd /\n$ echo $a $PWD\n1 /\n", ""},
		{"late output of the background", "console", "$ (read line < \"$HOME/pipe\"; echo $line) & echo now > \"$HOME/pipe\" &\nnow\n", ""},
		{"what is left in the background ends", "console", "$ sleep 1000 &\n", ""},
		{"a command on several lines", "console", "$ cat <<end\n> a\n> end\na\n", ""},
		{"commands do not read the script", "console", "$ cat\n$ echo b\nb\n", ""},
		{"a shell that ends", "console", "$ exit 3\n", "ended"},
		{"a script", "sh", "a=1\necho $a\n", ""},
		{"a script that fails in its middle", "sh", "false\ntrue\n", "status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment := func(t *testing.T, home string) []string {
				if strings.Contains(c.text, "/pipe") {
					require.NoError(t, exec.Command("mkfifo", filepath.Join(home, "pipe")).Run())
				}
				return append(os.Environ(), "HOME="+home, "BERTH_TOP="+root)
			}
			found := execute(t, blocks("x.md", "```"+c.language+"\n"+c.text+"```\n"), environment)
			if c.problem == "" {
				require.Nil(t, found)
				return
			}
			require.NotNil(t, found)
			require.Contains(t, found.text, c.problem)
		})
	}
}

func TestSteps(t *testing.T) {
	console := block{language: "console", text: "$ one\nfirst\n> kept\n$ two \\\n> more\n\n$ three\n"}
	require.Equal(t, []step{
		{command: "one", want: "first\n> kept\n"},
		{command: "two \\\nmore", want: "\n"},
		{command: "three"},
	}, steps(console))
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		want, output string
		match        bool
	}{
		{"", "", true},
		{"", "x\n", false},
		{"a  b\n", "a b\n\n", true},
		{"pid …, token …\n", "pid 7, token 0x1\n", true},
		{"pid …\n", "pid 7\nmore\n", false},
		{"a\n…\nz\n", "a\nz\n", true},
		{"a\n…\nz\n", "a\nb\nc\nz\n", true},
		{"a.c\n", "abc\n", false},
	} {
		require.Equal(t, c.match, pattern(c.want).MatchString(tidy(c.output)), "%q against %q", c.want, c.output)
	}
}

func TestContinuousIntegrationRunsTheTestCommand(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^step .* go test \./\.\.\.$`, string(script), "the documents' tests leave go test ./... to it")
}
