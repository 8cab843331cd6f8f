package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool/poolbench"
	"github.com/berthkit/berth/pool/poolbench/trace"
)

// readTrace returns the operations of a trace, by their lines.
func readTrace(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var lines []string
	for reader := trace.NewReader(file); ; {
		op, err := reader.Read()
		if err == io.EOF {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, op.String())
	}
}

// traceOf starts berth trace and waits until it has looked for the first time.
func traceOf(t *testing.T, path string, args ...string) *listening {
	t.Helper()
	l := start(t, append([]string{"trace", path}, args...)...)
	waitFor(t, path, "# what was there")
	return l
}

// waitFor waits until a file holds a text.
func waitFor(t *testing.T, path, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), want) {
			return
		}
		require.False(t, time.Now().After(deadline), "%s in %s", want, text)
	}
}

func TestTraceRecordsWhatComesAndGoes(t *testing.T) {
	newHome(t)
	path := filepath.Join(t.TempDir(), "ports.trace")
	ports := freePorts(t, 4).String()
	l := traceOf(t, path, "--no-sockets", "--every", "2ms")
	require.Zero(t, run(t, "reserve", "udp", ports).code)
	waitFor(t, path, "insert udp "+ports) // a store that was not there is found when it is
	require.Zero(t, run(t, "release", "udp", ports).code)
	waitFor(t, path, "delete udp "+ports)
	l.stop(t)
	require.Equal(t, []string{"overlaps udp " + ports, "insert udp " + ports, "delete udp " + ports}, readTrace(t, path))

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	workloads, err := poolbench.TraceWorkloads("ports", file)
	require.NoError(t, err)
	require.Len(t, workloads, 1)
}

func TestTraceSeesSockets(t *testing.T) {
	newHome(t)
	path := filepath.Join(t.TempDir(), "ports.trace")
	port := freePorts(t, 1).First()
	l := traceOf(t, path, "--every", "2ms")
	occupy(t, port)
	waitFor(t, path, fmt.Sprintf("\noverlaps udp %d\ninsert udp %d\n", port, port))
	l.stop(t)
}

func TestTraceRunsWhileACommandDoes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command of this test is a shell of Unix")
	}
	newHome(t)
	for _, c := range []struct {
		script string
		code   int
	}{{"echo out; echo err >&2", exitOK}, {"exit 7", 7}, {"kill -TERM $$", 128 + 15}} {
		path := filepath.Join(t.TempDir(), "ports.trace")
		r := run(t, "trace", path, "--no-sockets", "--", "sh", "-c", c.script)
		require.Equal(t, c.code, r.code, r.stderr)
		require.Empty(t, readTrace(t, path))
		if c.code == exitOK {
			require.Equal(t, "out\n", r.stdout)
			require.Equal(t, "err\n", r.stderr)
		}
	}
}

func TestTraceEndsAfterItsTime(t *testing.T) {
	newHome(t)
	path := filepath.Join(t.TempDir(), "ports.trace")
	r := run(t, "trace", path, "--no-sockets", "--for", "3ms", "--every", "1ms", "--json")
	require.Zero(t, r.code, r.stderr)
	var said traceJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &said))
	require.Equal(t, path, said.File)
	require.Zero(t, said.Operations)
	require.GreaterOrEqual(t, said.Looks, 2)
}

func TestTraceToStandardOutput(t *testing.T) {
	newHome(t)
	ports := freePorts(t, 4).String()
	require.Zero(t, run(t, "reserve", "udp", ports).code)
	r := run(t, "trace", "-", "--no-sockets", "--for", "1ms")
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, "^berth trace 1\n# recorded by berth trace on .*\n# what was there at the beginning\ninsert udp "+ports+"\n$", r.stdout)
}

func TestTraceRefuses(t *testing.T) {
	newHome(t)
	folder := t.TempDir()
	there := writeFile(t, folder, "there", "mine")
	fresh := filepath.Join(folder, "new")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "trace needs the name of one new file"},
		{[]string{fresh, "make"}, exitUsage, "a command only behind --"},
		{[]string{fresh, "--"}, exitUsage, "there is no command behind --"},
		{[]string{"-", "--", "make"}, exitUsage, "name a file for the trace"},
		{[]string{fresh, "--for", "0s"}, exitUsage, "--for wants a time above 0"},
		{[]string{fresh, "--for", "1s", "--", "make"}, exitUsage, "--for and a command exclude each other"},
		{[]string{fresh, "--every", "1us"}, exitUsage, "--every wants 1ms at least"},
		{[]string{there}, exitFailure, "is there already\nChoose another name."},
		{[]string{filepath.Join(folder, "no", "new")}, exitFailure, "Choose a new file in a directory that you may write."},
		{[]string{fresh, "--", filepath.Join(folder, "no-such-program")}, exitExecNotFound, "no-such-program"},
	} {
		r := run(t, append([]string{"trace"}, c.args...)...)
		require.Equal(t, c.code, r.code, "%v: %s", c.args, r.stderr)
		require.Contains(t, r.stderr, c.says)
		require.NoFileExists(t, fresh)
	}
	text, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "mine", string(text))
}

func TestTraceOfADamagedStoreSaysSo(t *testing.T) {
	path := newHome(t)
	require.Zero(t, run(t, "reserve", "udp", freePorts(t, 4).String()).code)
	entries, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, file := range entries {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			require.NoError(t, os.WriteFile(file, []byte("no store"), 0o600))
		}
	}
	r := run(t, "trace", filepath.Join(t.TempDir(), "ports.trace"), "--no-sockets", "--for", "1ms")
	require.Equal(t, exitDamaged, r.code, r.stderr)
}

func TestInterruptedTraceIsWhole(t *testing.T) {
	newHome(t)
	path := filepath.Join(t.TempDir(), "ports.trace")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := runWith(ctx, "trace", path, "--no-sockets")
	require.Contains(t, []int{exitOK, exitInterrupted}, r.code, r.stderr)
}
