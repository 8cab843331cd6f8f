package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/system"
)

// The tests of berth exec run real programs under it: python3, nc, nginx, sh, and a static Go program
// that they build. Each is skipped by name where one is missing.

const (
	nobody   = 65534
	stranger = 65533            // the thief, where there is root to make it another user
	patience = 60 * time.Second // a test that takes that long has failed
)

// A user is whom a test runs berth as.
type user struct {
	name       string
	credential *syscall.Credential // nil: who runs the tests
}

// users returns the users to run a test as: this one, and a plain one besides where this one is root.
func users() []user {
	if os.Geteuid() != 0 {
		return []user{{name: "plain user"}}
	}
	return []user{{name: "root"}, {"plain user", &syscall.Credential{Uid: nobody, Gid: nobody}}}
}

// An installation is berth for one user, with an empty home.
type installation struct {
	user   user
	folder string // that the user owns
	path   string
}

// install makes the test binary berth in a folder that every user may enter.
func install(t *testing.T, u user) *installation {
	t.Helper()
	folder, err := os.MkdirTemp("", "berth-exec-") // t.TempDir is for its owner alone
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.Chmod(folder, 0o755))
	i := &installation{user: u, folder: folder, path: filepath.Join(folder, "berth")}
	program, err := os.Executable()
	require.NoError(t, err)
	if os.Link(program, i.path) != nil {
		text, err := os.ReadFile(program)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(i.path, text, 0o755))
	}
	require.NoError(t, os.Chmod(i.path, 0o755))
	if u.credential != nil {
		require.NoError(t, os.Chown(folder, nobody, nobody))
	}
	return i
}

// command returns berth with arguments, not started.
func (i *installation) command(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	berth := exec.CommandContext(ctx, i.path, args...)
	berth.Dir = i.folder
	berth.Env = append(os.Environ(), "BERTH_TEST_MAIN=1", "HOME="+i.folder, "LC_ALL=C.UTF-8",
		system.StoreVariable+"="+filepath.Join(i.folder, "store", "berth.db"))
	berth.SysProcAttr = &syscall.SysProcAttr{Credential: i.user.credential}
	berth.WaitDelay = patience
	return berth
}

// run runs berth to its end.
func (i *installation) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err strings.Builder
	berth := i.command(t, args...)
	berth.Stdout, berth.Stderr = &out, &err
	if failed := berth.Run(); failed != nil {
		var ended *exec.ExitError
		require.True(t, errors.As(failed, &ended), "%v: %s", failed, err.String())
	}
	return out.String(), err.String(), berth.ProcessState.ExitCode()
}

// A conversation is a berth exec that goes on while the test talks with its program.
type conversation struct {
	berth  *exec.Cmd
	stdin  io.WriteCloser
	lines  *bufio.Reader
	stderr *os.File
	waited sync.Once
	code   int
}

// start starts berth with arguments.
func (i *installation) start(t *testing.T, args ...string) *conversation {
	t.Helper()
	return converse(t, i.command(t, args...))
}

// converse starts a berth.
func converse(t *testing.T, berth *exec.Cmd) *conversation {
	t.Helper()
	c := &conversation{berth: berth}
	var err error
	c.stdin, err = c.berth.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.berth.StdoutPipe()
	require.NoError(t, err)
	c.lines = bufio.NewReader(stdout)
	c.stderr, err = os.CreateTemp(t.TempDir(), "stderr")
	require.NoError(t, err)
	c.berth.Stderr = c.stderr
	require.NoError(t, c.berth.Start())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("stderr of berth: %s", c.said(t))
		}
		_ = c.berth.Process.Kill()
		c.wait()
		_ = c.stderr.Close()
	})
	return c
}

// line returns the next line of the program.
func (c *conversation) line(t *testing.T) string {
	t.Helper()
	line, err := c.lines.ReadString('\n')
	require.NoError(t, err, c.said(t))
	return strings.TrimSuffix(line, "\n")
}

func (c *conversation) tell(t *testing.T, line string) {
	t.Helper()
	_, err := fmt.Fprintln(c.stdin, line)
	require.NoError(t, err)
}

func (c *conversation) said(t *testing.T) string {
	text, err := os.ReadFile(c.stderr.Name())
	require.NoError(t, err)
	return string(text)
}

// wait returns the exit code; -1 if a signal killed berth.
func (c *conversation) wait() int {
	c.waited.Do(func() {
		_, _ = io.Copy(io.Discard, c.lines)
		_ = c.berth.Wait()
		c.code = c.berth.ProcessState.ExitCode()
	})
	return c.code
}

// requireSupervision skips a test where the system does not let berth supervise programs.
func requireSupervision(t *testing.T) {
	t.Helper()
	requireProgram(t, "true")
	if refusal := probeSupervision(); refusal != "" {
		t.Skipf("this system does not let berth supervise a program: %s", refusal)
	}
}

// probeSupervision returns what berth says about a program that it cannot supervise. It does not wait
// for pipes, since a kernel may keep what hangs in it for ever.
var probeSupervision = sync.OnceValue(func() string {
	folder, err := os.MkdirTemp("", "berth-probe-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(folder)
	said, err := os.Create(filepath.Join(folder, "stderr"))
	if err != nil {
		return err.Error()
	}
	defer said.Close()
	program, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	berth := exec.Command(program, "exec", "udp", "1", "--", "true")
	berth.Env = append(os.Environ(), "BERTH_TEST_MAIN=1", system.StoreVariable+"="+filepath.Join(folder, "none.db"))
	berth.Stderr = said
	runErr := berth.Run()
	text, err := os.ReadFile(said.Name())
	if err = errors.Join(runErr, err); err != nil {
		return err.Error() + ": " + string(text)
	}
	return string(text)
})

// requireProgram returns the path of a program, and skips the test where there is none. The system's
// own comes first, since every user may run that.
func requireProgram(t *testing.T, name string) string {
	t.Helper()
	for _, folder := range []string{"/usr/bin", "/usr/sbin", "/bin", "/sbin"} {
		if path := filepath.Join(folder, name); exists(path) {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
