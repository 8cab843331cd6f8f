package supervise

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A watched is a process with a watchdog over it.
type watched struct {
	program  *exec.Cmd
	watchdog *exec.Cmd
	channel  channel
	said     *os.File
}

func watchSleep(t *testing.T, patience string) *watched {
	t.Helper()
	w := &watched{program: exec.CommandContext(t.Context(), "sleep", "1000")}
	require.NoError(t, w.program.Start())
	process, err := unix.PidfdOpen(w.program.Process.Pid, 0)
	require.NoError(t, err)
	ours, theirs, err := newChannel()
	require.NoError(t, err)
	w.channel = ours
	self, err := os.Executable()
	require.NoError(t, err)
	w.said, err = os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	t.Cleanup(func() { w.said.Close() })
	w.watchdog = exec.CommandContext(t.Context(), self)
	w.watchdog.Args = []string{watchdogName, patience, "4711", "sleep", strconv.Itoa(w.program.Process.Pid)}
	w.watchdog.Stderr = w.said
	w.watchdog.ExtraFiles = []*os.File{os.NewFile(uintptr(theirs), "channel"), os.NewFile(uintptr(process), "process")}
	require.NoError(t, w.watchdog.Start())
	for _, file := range w.watchdog.ExtraFiles {
		require.NoError(t, file.Close())
	}
	return w
}

func (w *watched) output(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(w.said.Name())
	require.NoError(t, err)
	return string(text)
}

func TestWatchdogKillsWhatDoesNotEnd(t *testing.T) {
	w := watchSleep(t, "1")
	w.channel.close() // berth has been killed
	require.NoError(t, w.watchdog.Wait())
	require.ErrorContains(t, w.program.Wait(), "killed")
	require.Contains(t, w.output(t), "berth exec (pid 4711) was killed: sleep (pid "+strconv.Itoa(w.program.Process.Pid)+") has to end")
	require.Contains(t, w.output(t), "did not end within 1ms of SIGTERM")
}

func TestWatchdogTellsOfAProgramThatEndedWithBerth(t *testing.T) {
	w := watchSleep(t, "5000")
	require.NoError(t, w.program.Process.Signal(unix.SIGTERM))
	require.Error(t, w.program.Wait())
	w.channel.close()
	require.NoError(t, w.watchdog.Wait())
	require.Equal(t, "berth: berth exec (pid 4711) was killed, and sleep (pid "+strconv.Itoa(w.program.Process.Pid)+") has ended with it\n", w.output(t))
}

func TestWatchdogIsSilentWhenAllIsWell(t *testing.T) {
	w := watchSleep(t, "1")
	require.NoError(t, w.channel.send(watchdogDone, 0, -1))
	w.channel.close()
	require.NoError(t, w.watchdog.Wait())
	require.Empty(t, w.output(t))
	require.NoError(t, w.program.Process.Kill())
	require.Error(t, w.program.Wait())
}
