package command

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/system"
)

var update = flag.Bool("update", false, "write the scenarios with what the command prints now")

// TestScenarios runs the text files of testdata. Each line that starts with "$ berth" is run in an
// empty home with a store of its own; what follows must be what it prints: stdout as it is, stderr
// behind "! ", an exit code other than 0 as [exit N]. Other directives:
//
//	$ occupy PORT    binds a UDP port until the end of the scenario
//	$ damage         overwrites both files of the store
//	$ damage copy    overwrites the second one only
//	$ files          lists the files below the home
//
// TOKEN in arguments is the token printed last. So that the files can be read and repeated, ports
// 50000-50999 stand for a thousand that are free on this computer, and tokens, times and process
// numbers have placeholders.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			s := &scenario{store: newHome(t), first: int(freePorts(t, scenarioPorts).First())}
			got := s.play(t, string(text))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

const (
	scenarioFirst = 50000
	scenarioPorts = 1000
)

type scenario struct {
	store string
	first int // the port that stands behind 50000
	token string
}

func (s *scenario) play(t *testing.T, text string) string {
	var played strings.Builder
	for line := range strings.Lines(text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			played.WriteString(line + s.do(t, strings.TrimSpace(command)))
		case strings.HasPrefix(line, "#"):
			played.WriteString(line)
		}
	}
	return played.String()
}

var (
	portPattern  = regexp.MustCompile(`\b\d{5}\b`)
	tokenPattern = regexp.MustCompile(`\b0x[0-9a-f]{16}\b`)
	argument     = regexp.MustCompile(`'[^']*'|\S+`)
	varying      = map[*regexp.Regexp]string{
		regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`):     "TIME",
		regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`):    "2026-01-01 00:00",
		regexp.MustCompile(`[\w.]+ \(pid \d+\)`):           "program (pid 1)",
		regexp.MustCompile(`"serial": "\d+"`):              `"serial": "1"`,
		regexp.MustCompile(`"pid": \d+`):                   `"pid": 1`,
		regexp.MustCompile(`"program": "[^"]+"`):           `"program": "program"`,
		regexp.MustCompile(`berth [^ ]+ \(go[^)]+\)`):      "berth VERSION",
		regexp.MustCompile(`berth\.db(\.\w+)?\.damaged.*`): "berth.db$1.damaged",
	}
)

func (s *scenario) do(t *testing.T, line string) string {
	var args []string
	for _, arg := range argument.FindAllString(s.toReal(line), -1) {
		arg = strings.NewReplacer("TOKEN", s.token, "STORE", s.store, "HOME", os.Getenv("HOME")).Replace(arg)
		args = append(args, strings.Trim(arg, "'"))
	}
	switch args[0] {
	case "berth":
		return s.run(t, args[1:])
	case "occupy":
		port, err := strconv.ParseUint(args[1], 10, 16)
		require.NoError(t, err)
		occupy(t, uint16(port))
	case "damage":
		for _, file := range s.files(t) {
			isStore := strings.HasSuffix(file, "berth.db") && len(args) == 1
			if !isStore && !strings.HasSuffix(file, "berth.db.copy") {
				continue
			}
			require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("HOME"), file), []byte("no store"), 0o600))
		}
	case "files":
		return strings.Join(append(s.files(t), ""), "\n")
	default:
		t.Fatalf("unknown directive %q", line)
	}
	return ""
}

func (s *scenario) run(t *testing.T, args []string) string {
	r := run(t, args...)
	if token := tokenPattern.FindString(r.stdout); token != "" {
		s.token = token
	}
	output := s.toScript(r.stdout)
	for line := range strings.Lines(s.toScript(r.stderr)) {
		output += "! " + line
	}
	if r.code != 0 {
		output += fmt.Sprintf("[exit %d]\n", r.code)
	}
	return output
}

func (s *scenario) files(t *testing.T) []string {
	var files []string
	err := filepath.Walk(os.Getenv("HOME"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			relative, _ := filepath.Rel(os.Getenv("HOME"), path)
			files = append(files, filepath.ToSlash(relative))
		}
		return err
	})
	require.NoError(t, err)
	return files
}

// toReal replaces the ports of the scenario by those of this computer.
func (s *scenario) toReal(text string) string { return shiftPorts(text, scenarioFirst, s.first) }

// toScript is the reverse, and replaces whatever else varies.
func (s *scenario) toScript(text string) string {
	text = shiftPorts(text, s.first, scenarioFirst)
	text = tokenPattern.ReplaceAllString(text, "0x0123456789abcdef")
	for pattern, placeholder := range varying {
		text = pattern.ReplaceAllString(text, placeholder)
	}
	text = strings.ReplaceAll(text, os.Getenv(system.StoreVariable), "STORE")
	return strings.ReplaceAll(text, os.Getenv("HOME"), "HOME")
}

func shiftPorts(text string, from, to int) string {
	return portPattern.ReplaceAllStringFunc(text, func(digits string) string {
		port, _ := strconv.Atoi(digits)
		if port < from || port >= from+scenarioPorts {
			return digits
		}
		return strconv.Itoa(port - from + to)
	})
}
