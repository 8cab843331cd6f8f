package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal: pty(7).
func openTerminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no terminal to be had: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	screen, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// Ctrl-C reaches the program from the terminal, and berth does not send it once more; what comes to
// berth alone is passed on.
func TestControlCComesOnce(t *testing.T) {
	python := requireProgram(t, "python3")
	program := `
import signal
def report(number, frame): print("signal", number, flush=True)
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1): signal.signal(number, report)
print("ready", flush=True)
while True: signal.pause()
`
	keyboard, screen := openTerminal(t)
	berth := install(t, users()[0]).command(t, "exec", "udp", "1", "--pass-fds", "--", python, "-c", program)
	berth.Stdin, berth.Stdout, berth.Stderr = screen, screen, screen
	berth.SysProcAttr.Setsid, berth.SysProcAttr.Setctty = true, true
	require.NoError(t, berth.Start())
	t.Cleanup(func() {
		_ = berth.Process.Kill()
		_ = berth.Wait()
	})
	require.NoError(t, screen.Close())
	lines := bufio.NewReader(keyboard)
	echo := strings.NewReplacer("^C", "", "^\\", "") // the terminal shows the keys, wherever the cursor is
	next := func() string {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return echo.Replace(strings.TrimSpace(line))
	}
	require.Equal(t, "ready", next())
	for range 3 {
		_, err := keyboard.Write([]byte{'C' - '@'})
		require.NoError(t, err)
		require.Equal(t, "signal 2", next())
		_, err = keyboard.Write([]byte{'\\' - '@'})
		require.NoError(t, err)
		require.Equal(t, "signal 3", next())
		require.NoError(t, berth.Process.Signal(syscall.SIGUSR1))
		require.Equal(t, "signal 10", next())
	}
}
