package docs_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A shell is one sh that executes the commands of one document, like a reader who types them.
type shell struct {
	stdin  io.WriteCloser
	output chan []byte // what was printed to its terminal; closed at the end
	seen   bytes.Buffer
	marks  int
}

// patience is how long a command may take before the test gives up. Building the command for the
// first time is the slowest.
const patience = 5 * time.Minute

// settle is how long a command in the background may take to print what the document shows.
const settle = 20 * time.Second

// prelude changes what three commands mean inside a document. "go test ./..." is the command that
// runs this test, and .ci/run executes it as it stands; make targets are checked to exist.
const prelude = `
go() { case "$*" in "test ./...") ;; *) command go "$@" ;; esac; }
make() { command make -n "$@" >/dev/null; }
trap 'kill $background 2>/dev/null' EXIT
`

// startShell starts a shell in a folder, with a terminal to print to. It ends with the test.
func startShell(t *testing.T, folder string, environment []string) *shell {
	t.Helper()
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh on this computer to execute the documents' commands")
	}
	reader, writer, err := openTerminal()
	if err != nil {
		t.Skipf("the documents show what berth prints on a terminal, and there is none to be had: %v", err)
	}
	command := exec.Command(program)
	command.Dir, command.Env = folder, environment
	command.Stdout, command.Stderr = writer, writer
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	require.NoError(t, writer.Close())

	s := &shell{stdin: stdin, output: make(chan []byte)}
	go func() {
		defer close(s.output)
		for {
			chunk := make([]byte, 4096)
			n, err := reader.Read(chunk)
			if n > 0 {
				s.output <- chunk[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		stuck := time.AfterFunc(settle, func() {
			t.Errorf("the document leaves a process behind that does not end with its shell")
			_ = reader.Close()
		})
		for range s.output { // until the shell and all that it started have ended
		}
		_ = command.Wait()
		if stuck.Stop() {
			_ = reader.Close()
		}
	})
	if _, status, err := s.run(prelude, nil); err != nil || status != 0 {
		t.Fatalf("the shell does not start: status %d, %v", status, err)
	}
	return s
}

// run executes a command and returns what it printed and its exit status. If enough is not nil, run
// goes on listening after the command has returned until enough says so: commands in the background
// print late.
func (s *shell) run(command string, enough func(output string) bool) (string, int, error) {
	s.marks++
	mark := fmt.Sprintf("--- end of command %d, status ", s.marks)
	script := fmt.Sprintf("{ %s\n} </dev/null\nprintf '%%s%%d\\n' '%s' $?; background=\"$background $!\"\n", command, mark)
	if _, err := io.WriteString(s.stdin, script); err != nil {
		return "", 0, err
	}
	end := regexp.MustCompile(regexp.QuoteMeta(mark) + `(\d+)\r?\n`)
	late := time.NewTimer(patience)
	defer late.Stop()
	status, ended := 0, false
	for {
		if match := end.FindSubmatchIndex(s.seen.Bytes()); match != nil {
			text := s.seen.String()
			status, _ = strconv.Atoi(text[match[2]:match[3]])
			s.seen.Reset()
			s.seen.WriteString(text[:match[0]] + text[match[1]:])
			ended = true
			late.Reset(settle)
		}
		if ended && (enough == nil || enough(s.seen.String())) {
			return s.take(), status, nil
		}
		select {
		case chunk, ok := <-s.output:
			if !ok {
				return s.take(), status, fmt.Errorf("the shell ended")
			}
			s.seen.Write(chunk)
		case <-late.C:
			if ended {
				return s.take(), status, nil
			}
			return s.take(), status, fmt.Errorf("no end after %v", patience)
		}
	}
}

func (s *shell) take() string {
	defer s.seen.Reset()
	return s.seen.String()
}

// environment is that of a newcomer: an empty home, no settings, and the caches of this machine so
// that nothing is fetched twice.
func environment(t *testing.T, home string) []string {
	t.Helper()
	requireCommand(t)
	keep := []string{"LANG", "TMPDIR", "TEMP", "SYSTEMROOT", "PYENV_ROOT", "CGO_ENABLED"}
	set := map[string]string{
		"HOME":        home,
		"USERPROFILE": home,
		"BERTH_STORE": filepath.Join(home, ".local", "state", "berth", "berth.db"), // root's default would be this machine's own
		"BERTH_TOP":   top(t),
		"PATH":        programs + string(os.PathListSeparator) + os.Getenv("PATH"),
		"LC_ALL":      "C.UTF-8",
		"TERM":        "xterm",
		"NO_COLOR":    "1",
		"TZ":          "UTC",
		"GOCACHE":     goEnvironment(t, "GOCACHE"),
		"GOMODCACHE":  goEnvironment(t, "GOMODCACHE"),
		"GOFLAGS":     "-buildvcs=false",
		"GOENV":       "off",
		"GOWORK":      "off",
		"GOPROXY":     "off",
		"GOTOOLCHAIN": "local",
	}
	var list []string
	for _, name := range keep {
		if value, ok := os.LookupEnv(name); ok {
			list = append(list, name+"="+value)
		}
	}
	for name, value := range set {
		list = append(list, name+"="+value)
	}
	return list
}

func goEnvironment(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func top(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(root)
	require.NoError(t, err)
	return folder
}
