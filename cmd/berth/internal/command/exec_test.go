package command

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// What keeps exec from running a program is told by exit codes of its own, and nothing has run then.
func TestExecRefuses(t *testing.T) {
	newHome(t)
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	require.NoError(t, os.WriteFile(text, []byte("no program"), 0o600))
	ran := filepath.Join(folder, "ran")
	block := freePorts(t, 2)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"udp 1", exitExecFailed, "exec needs a command to run behind --"},
		{"udp 1 touch RAN", exitExecFailed, "exec needs a command to run behind --"},
		{"udp 1 --", exitExecFailed, "exec needs a command to run behind --"},
		{"-- touch RAN", exitExecFailed, "a protocol and a number of ports"},
		{"udp -- touch RAN", exitExecFailed, "a protocol and a number of ports"},
		{"udp 1 tcp -- touch RAN", exitExecFailed, "a protocol and a number of ports"},
		{"sctp 1 -- touch RAN", exitExecFailed, "A protocol is udp or tcp"},
		{"udp 0 -- touch RAN", exitExecFailed, `"0" is no number of ports; want 1 to 65535`},
		{"udp 65536 -- touch RAN", exitExecFailed, `"65536" is no number of ports`},
		{"udp 1 udp 1 -- touch RAN", exitExecFailed, "udp is there twice"},
		{"udp 50000-50009 -- touch RAN", exitExecFailed, "berth exec --reserved udp 50000-50009 -- COMMAND"},
		{"udp 1 --align 0 -- touch RAN", exitExecFailed, `"0" is no number of ports to align to`},
		{"udp 1 --within 9-3 -- touch RAN", exitExecFailed, "9-3"},
		{"udp 9 --within 40000-40003 -- touch RAN", exitExecFailed, "Look wider"},
		{"udp 1 --port-zero=any -- touch RAN", exitExecFailed, "--port-zero is system or block"},
		{"udp 1 --port-zero=block --pass-fds -- touch RAN", exitExecFailed, "exclude each other"},
		{"udp 1 --addr ::1 -- touch RAN", exitExecFailed, "--addr is for --pass-fds"},
		{"udp 1 --pass-fds --addr localhost -- touch RAN", exitExecFailed, `"localhost" is no IP address`},
		{"udp 1 --nonsense -- touch RAN", exitExecFailed, "unknown flag: --nonsense"},
		{"udp 1 -- touch RAN {udp.x}", exitExecFailed, "{udp.x} in an argument means nothing"},
		{"udp 1 -- touch RAN {tcp}", exitExecFailed, "the program has no tcp ports"},
		{"--reserved udp 2 -- touch RAN", exitExecFailed, "berth reserve udp 2"},
		{"--reserved udp 4-2 -- touch RAN", exitExecFailed, "A protocol is udp or tcp"},
		{"--reserved udp BLOCK --align 2 -- touch RAN", exitExecFailed, "--align and --within choose ports"},
		{"--reserved udp BLOCK -- touch RAN", exitExecFailed, "Reserve it first: berth reserve udp BLOCK"},
		{"udp 1 -- FOLDER/none", exitExecNotFound, "The file is not there"},
		{"udp 1 -- no-such-program-anywhere", exitExecNotFound, "no-such-program-anywhere"},
		{"udp 1 -- TEXT", exitExecCannot, "chmod +x"},
	} {
		replace := strings.NewReplacer("RAN", ran, "BLOCK", block.String(), "FOLDER", folder, "TEXT", text)
		r := run(t, append([]string{"exec"}, strings.Fields(replace.Replace(c.args))...)...)
		require.Equal(t, c.code, r.code, "%s: %s", c.args, r.stderr)
		require.Contains(t, r.stderr, replace.Replace(c.want), c.args)
		require.True(t, strings.HasPrefix(r.stderr, "berth: "), r.stderr)
		require.Empty(t, r.stdout, c.args)
		require.NoFileExists(t, ran, c.args)
	}
}

func TestInterruptedExecRunsNothing(t *testing.T) {
	newHome(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range []string{"exec udp 1 -- true", "exec --reserved udp 50000 -- true"} {
		r := runWith(cancelled, strings.Fields(args)...)
		require.Equal(t, exitInterrupted, r.code, args)
		require.Equal(t, "berth: interrupted\n", r.stderr, args)
	}
}

func TestExecCompletion(t *testing.T) {
	newHome(t)
	block := freePorts(t, 2)
	require.Zero(t, run(t, "reserve", "udp", block.String()).code)
	for args, want := range map[string]string{
		"exec ":                "udp\ntcp\n",
		"exec udp ":            "",
		"exec udp 1 ":          "udp\ntcp\n",
		"exec --reserved udp ": block.String() + "\tpersistent\n",
	} {
		r := run(t, append([]string{cobra.ShellCompRequestCmd}, strings.Split(args, " ")...)...)
		require.Zero(t, r.code)
		offered, _, found := strings.Cut(r.stdout, ":4\n")
		require.True(t, found, r.stdout)
		require.Equal(t, want, offered, args)
	}
}
