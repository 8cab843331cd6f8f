package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeFile writes a file of a test and returns its path.
func writeFile(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestSimPlaysFilesAndDirectories(t *testing.T) {
	folder := t.TempDir()
	first := writeFile(t, folder, "b/first.txt", "reboot\n")
	writeFile(t, folder, "a.txtar", "list udp -> nothing\n-- x --\n")
	writeFile(t, folder, "a.md", "no scenario\n")
	odd := writeFile(t, folder, "odd.name", "# by its name\n")

	r := run(t, "sim", folder, first, odd)
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "# F/a.txtar\nlist udp -> nothing\n\n# F/b/first.txt\nreboot\n\n# F/b/first.txt\nreboot\n\n# F/odd.name\n# by its name\n\n",
		strings.ReplaceAll(r.stdout, filepath.ToSlash(folder), "F"))
	require.Empty(t, r.stderr)
}

func TestSimStopsAtTheFirstMismatch(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "1.txt", "reboot -> denied\nreboot\n")
	writeFile(t, folder, "2.txt", "reboot\n")
	r := run(t, "sim", folder)
	require.Equal(t, exitFailure, r.code)
	require.Equal(t, "# F/1.txt\nreboot -> ok\n", strings.ReplaceAll(r.stdout, filepath.ToSlash(folder), "F"))
	require.Equal(t, "berth: F/1.txt:1: reboot\n  want -> denied\n  got  -> ok\n", strings.ReplaceAll(r.stderr, filepath.ToSlash(folder), "F"))
}

func TestSimRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"sim"}, exitUsage, "sim needs a file or a directory, or -i"},
		{[]string{"sim", "-i", "x"}, exitUsage, "-i takes no file"},
		{[]string{"sim", filepath.Join(folder, "none")}, exitFailure, "none"},
		{[]string{"sim", folder}, exitFailure, "holds no scenario"},
		{[]string{"sim", writeFile(t, t.TempDir(), "x.txt", "fly\n")}, exitFailure, `x.txt:1: there is no command "fly"`},
		{[]string{"sim", writeFile(t, t.TempDir(), "x.txt", "\n-> ok\n")}, exitFailure, "x.txt:2: an outcome without a command"},
		{[]string{"sim", writeFile(t, t.TempDir(), "x.txt", "occupy sctp 1\n")}, exitFailure, "x.txt:1:"},
	} {
		r := run(t, c.args...)
		require.Equal(t, c.code, r.code, "%q: %s", c.args, r.stderr)
		require.Contains(t, r.stderr, c.says)
	}
}

func TestSimPrintsJSON(t *testing.T) {
	file := writeFile(t, t.TempDir(), "x.txt", "# nothing\nstart a\na: s = socket 2 2 17\noccupy udp 80\na: bind s 0.0.0.0:80 -> 10048\ndump\n")
	r := run(t, "sim", "--json", file)
	require.Zero(t, r.code, r.stderr)
	var steps []playedStep
	for line := range strings.Lines(r.stdout) {
		var step playedStep
		require.NoError(t, json.Unmarshal([]byte(line), &step))
		steps = append(steps, step)
	}
	require.Len(t, steps, 5)
	require.Equal(t, 5, steps[3].Line)
	require.Equal(t, "a: bind s 0.0.0.0:80", steps[3].Step)
	require.Equal(t, "WSAEADDRINUSE (10048)", steps[3].Outcome)
	require.Contains(t, steps[3].Remark, "other.exe")
	require.Contains(t, steps[4].Output, "socket udp [::]:80 dual, process 1004")
}

func TestSimAsksForLines(t *testing.T) {
	var stdout, stderr bytes.Buffer
	in := strings.NewReader("start a\na: s = socket AF_INET SOCK_DGRAM IPPROTO_UDP\na: bind s 0.0.0.0:80\na: getsockname s\n")
	require.Zero(t, Run(context.Background(), []string{"sim", "-i"}, in, &stdout, &stderr))
	require.Equal(t, "start a\na: s = socket AF_INET SOCK_DGRAM IPPROTO_UDP\na: bind s 0.0.0.0:80\na: getsockname s -> 0.0.0.0:80\n", stdout.String())
	require.Empty(t, stderr.String())
}

func TestSimEndsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	file := writeFile(t, t.TempDir(), "x.txt", "reboot\n")
	require.Equal(t, exitInterrupted, Run(ctx, []string{"sim", file}, strings.NewReader(""), &stdout, &stderr))
	require.Equal(t, exitInterrupted, Run(ctx, []string{"sim", "-i"}, strings.NewReader("reboot\n"), &stdout, &stderr))
}
