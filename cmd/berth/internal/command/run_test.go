package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{usageError("x"), 2},
		{reservation.ErrInvalid, 2},
		{reservation.ErrDenied, 3},
		{fs.ErrPermission, 3},
		{reservation.ErrInUse, 4},
		{reservation.ErrNotFound, 5},
		{reservation.ErrTokenStale, 5},
		{store.ErrMissing, 5},
		{&store.DamageError{}, 6},
		{&store.BusyError{}, 7},
		{reservation.ErrExhausted, 8},
		{context.Canceled, 130},
		{&reservation.Error{Op: "create", Err: context.Canceled}, 130},
		{&failure{err: fmt.Errorf("wrapped: %w", reservation.ErrInUse)}, 4},
	} {
		require.Equal(t, test.want, exitCode(test.err), "%v", test.err)
	}
}

// docs/commands.md has a row for each exit code, and no other.
func TestExitCodesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "commands.md"))
	require.NoError(t, err)
	want := map[int]bool{exitOK: true, exitFailure: true}
	for _, row := range exitCodes {
		want[row.code] = true
	}
	documented := make(map[int]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(string(text), -1) {
		code, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		documented[code] = true
	}
	require.Equal(t, want, documented)
}

func TestLabels(t *testing.T) {
	path := newHome(t)
	for _, bad := range []string{"a\nb", "\x00", "\x1b[31m", "\u202e", "\xff", strings.Repeat("x", 256)} {
		r := run(t, "reserve", "udp", "50000", "--label", bad)
		require.Equal(t, exitUsage, r.code, "%q", bad)
		require.Contains(t, r.stderr, "label")
		require.NotContains(t, r.stderr, "\x1b")
	}
	require.NoDirExists(t, filepath.Dir(path))

	block := freePorts(t, 1)
	long := strings.Repeat("ä", 127) + "x"
	require.Zero(t, run(t, "reserve", "udp", block.String(), "--label", long).code)
	require.Contains(t, run(t, "list").stdout, long)
}

func TestEveryPortIsARange(t *testing.T) {
	newHome(t)
	r := run(t, "why", "udp", "1-65535", "--json")
	require.Zero(t, r.code, r.stderr)
	var answer explanationJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &answer))
	require.Equal(t, 65535, answer.Count)
}

func TestCancelledCommandsChangeNothing(t *testing.T) {
	path := newHome(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range []string{
		"reserve udp 50000", "release udp 50000", "lookup udp 50000", "list", "why udp 50000", "find udp 10",
		"listen udp 50000", "listen udp 50000 --reserve", "exclude add udp 50000", "exclude delete udp 50000",
	} {
		r := runWith(cancelled, strings.Fields(args)...)
		require.Equal(t, exitInterrupted, r.code, args)
		require.Empty(t, r.stdout, args)
		require.Equal(t, "berth: interrupted\n", r.stderr, args)
	}
	require.NoDirExists(t, filepath.Dir(path))
}

// failingWriter is a full disk, or a pipe whose reader has gone.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLostOutputIsAFailure(t *testing.T) {
	newHome(t)
	block := freePorts(t, 1)
	for _, args := range []string{"reserve udp " + block.String(), "list", "list --json", "version", "--help"} {
		var stderr bytes.Buffer
		code := Run(t.Context(), strings.Fields(args), strings.NewReader(""), failingWriter{}, &stderr)
		require.Equal(t, exitFailure, code, args)
		require.Contains(t, stderr.String(), "no space left on device", args)
	}
}

// While another program keeps the store for itself, looking goes on, and changing says who is in the way.
func TestBusyStore(t *testing.T) {
	path := newHome(t)
	block := freePorts(t, 10)
	require.Zero(t, run(t, "reserve", "udp", block.String()).code)
	holder, err := store.Open(t.Context(), path, &store.Options{Exclusive: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, holder.Close()) }()

	for _, args := range []string{"list", "lookup udp " + block.String(), "why udp " + block.String(), "find udp 10"} {
		r := run(t, strings.Fields(args)...)
		require.Zero(t, r.code, r.stderr)
	}
	busy := run(t, "release", "udp", block.String())
	require.Equal(t, exitBusy, busy.code, busy.stderr)
	require.Contains(t, busy.stderr, path)
	require.Contains(t, busy.stderr, fmt.Sprintf("(pid %d)", os.Getpid()))
}

func TestCompletion(t *testing.T) {
	newHome(t)
	block := freePorts(t, 10)
	require.Zero(t, run(t, "reserve", "udp", block.String(), "--label", "media").code)
	require.Zero(t, run(t, "exclude", "add", "tcp", block.String()).code)
	for args, want := range map[string]string{
		"release ":            "udp\ntcp\n",
		"release udp ":        block.String() + "\tpersistent\n",
		"release tcp ":        "",
		"exclude delete tcp ": block.String() + "\texclusion\n",
		"why tcp ":            block.String() + "\texclusion\n",
		"reserve ":            "udp\ntcp\n",
		"reserve udp ":        "",
		"list ":               "udp\ntcp\n",
		"release sctp ":       "",
	} {
		r := run(t, append([]string{cobra.ShellCompRequestCmd}, strings.Split(args, " ")...)...)
		require.Zero(t, r.code)
		offered, _, found := strings.Cut(r.stdout, ":4\n")
		require.True(t, found, r.stdout)
		require.Equal(t, want, offered, args)
	}
}

// Every command has help with a line on usage, and completion scripts exist for the usual shells.
func TestHelp(t *testing.T) {
	newHome(t)
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		r := run(t, append(path, "--help")...)
		require.Zero(t, r.code, path)
		require.Empty(t, r.stderr)
		require.Contains(t, r.stdout, "Usage\n  berth", path)
		for line := range strings.Lines(r.stdout) {
			require.LessOrEqual(t, len(line), 101, "%v: %s", path, line)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() && (len(path) == 0 || path[0] != "completion") {
				walk(sub, append(append([]string{}, path...), sub.Name()))
			}
		}
	}
	walk(newRoot(&invocation{}), nil)
	require.Equal(t, run(t, "--help"), run(t))
	require.Equal(t, run(t, "help"), run(t))
	require.Equal(t, run(t, "--version"), run(t, "version"))
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, run(t, "completion", shell).stdout, "berth")
	}
}
