//go:build unix

package supervise

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be a helper.
func TestMain(m *testing.M) {
	if IsHelper(os.Args) {
		os.Exit(RunHelper(os.Args))
	}
	os.Exit(m.Run())
}

// Whoever starts a helper by hand is told what it is a part of.
func TestHelpersAreForBerthAlone(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	for _, arguments := range []string{
		launcherName, launcherName + " 1 filter /bin/true true", launcherName + " x sockets /bin/true true",
		launcherName + " 3 other /bin/true true", watchdogName, watchdogName + " x 1 true 1",
	} {
		helper := exec.CommandContext(t.Context(), program)
		helper.Args = strings.Fields(arguments)
		output, err := helper.CombinedOutput()
		require.Error(t, err, arguments)
		require.Equal(t, helperFailed, helper.ProcessState.ExitCode(), arguments)
		require.Contains(t, string(output), "berth exec", arguments)
	}
	require.False(t, IsHelper(nil))
	require.False(t, IsHelper([]string{"berth", launcherName}))
}

func TestEnvironmentOfSocketActivation(t *testing.T) {
	inherited := []string{"A=1", "LISTEN_FDS=9", "LISTEN_PID=9", "LISTEN_FDNAMES=x", "LISTEN_PIDFDID=1", "LISTEN_FDSX=kept"}
	require.Equal(t, []string{"A=1", "LISTEN_FDSX=kept"}, listenEnvironment(inherited, nil))
	require.Equal(t, []string{"A=1", "LISTEN_FDSX=kept", "LISTEN_FDS=2", "LISTEN_FDNAMES=udp-1:udp-2"},
		listenEnvironment(inherited, []PassedFile{{Name: "udp-1"}, {Name: "udp-2"}}))
}

func TestStatusIsCountedAsShellsDo(t *testing.T) {
	require.Equal(t, 7, Status{ExitCode: 7}.Code())
	require.Equal(t, 137, Status{Signal: syscall.SIGKILL}.Code())
}

// A program that cannot be executed is an error that tells why, however it was to get its ports.
func TestStartErrors(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(folder+"/text", []byte("no program"), 0o600))
	require.NoError(t, os.WriteFile(folder+"/bad", []byte("no program"), 0o755))
	for _, access := range []Access{Passed, Released} {
		for path, want := range map[string]error{folder + "/none": os.ErrNotExist, folder + "/text": os.ErrPermission, folder + "/bad": syscall.ENOEXEC} {
			block := &paperBlock{taken: make(map[uint16]bool)}
			_, err := Run(&Program{Path: path, Arguments: []string{"x"}, Files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Access: access, Blocks: []Block{block}})
			require.ErrorIs(t, err, want, path)
			var start *StartError
			require.ErrorAs(t, err, &start)
			require.NotZero(t, block.closed)
		}
	}
}
