package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

// bindFirst is a Python program that binds the first port of its block and reports signals.
const bindFirst = `
import os, signal, socket, sys
def report(number, frame):
    print("signal", number, flush=True)
for number in map(int, sys.argv[1:]):
    signal.signal(number, report)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(os.environ["BERTH_UDP_FIRST"])))
print(os.environ["BERTH_UDP"], os.getpid(), os.getppid(), flush=True)
while True:
    signal.pause()
`

// startBindFirst runs that program and returns its ports and its pid.
func startBindFirst(t *testing.T, i *installation, signals ...string) (c *conversation, ports reservation.Range, pid int) {
	t.Helper()
	python := requireProgram(t, "python3")
	// A process group of its own, with us outside, is what a shell makes of a job.
	berth := i.command(t, append([]string{"exec", "udp", "4", "--", python, "-c", bindFirst}, signals...)...)
	berth.SysProcAttr.Setpgid = true
	c = converse(t, berth)
	told := strings.Fields(c.line(t))
	require.Len(t, told, 3)
	pid, err := strconv.Atoi(told[1])
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(c.berth.Process.Pid), told[2], "the program is berth's own child")
	return c, pool.MustParseRange(told[0]), pid
}

// requireFree waits until the whole block can be had and returns how long that took.
func requireFree(t *testing.T, protocol reservation.Protocol, ports reservation.Range, since time.Time) time.Duration {
	t.Helper()
	for {
		block, err := hold.New().Hold(t.Context(), protocol, ports)
		took := time.Since(since)
		if err == nil {
			require.NoError(t, block.Close())
			return took
		}
		require.ErrorIs(t, err, reservation.ErrInUse)
		require.Less(t, took, patience, "the block is not free: %v", err)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	requireSupervision(t)
	passed := []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT}
	var numbers []string
	for _, number := range passed {
		numbers = append(numbers, strconv.Itoa(int(number)))
	}
	c, ports, pid := startBindFirst(t, install(t, users()[0]), numbers...)
	for _, number := range passed {
		require.NoError(t, c.berth.Process.Signal(number))
		require.Equal(t, "signal "+strconv.Itoa(int(number)), c.line(t))
	}
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Equal(t, 128+9, c.wait())
	require.Empty(t, c.said(t))
	requireFree(t, reservation.UDP, ports, time.Now())
}

// Ctrl-Z goes to the whole job, and so does what continues it.
func TestStopAndContinue(t *testing.T) {
	requireSupervision(t)
	c, _, pid := startBindFirst(t, install(t, users()[0]), strconv.Itoa(int(unix.SIGUSR1)))
	job := -c.berth.Process.Pid
	require.NoError(t, syscall.Kill(job, unix.SIGTSTP))
	eventuallyState(t, c.berth.Process.Pid, 'T')
	eventuallyState(t, pid, 'T')
	require.NoError(t, syscall.Kill(job, unix.SIGCONT))
	require.NoError(t, c.berth.Process.Signal(unix.SIGUSR1))
	require.Equal(t, "signal "+strconv.Itoa(int(unix.SIGUSR1)), c.line(t))
	require.NoError(t, c.berth.Process.Signal(unix.SIGTERM))
	require.Equal(t, 128+15, c.wait())
}

// eventuallyState waits until a process is in a state of proc_pid_stat(5).
func eventuallyState(t *testing.T, pid int, state byte) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(stat), ") ")
		if rest[0] == state {
			return
		}
		require.True(t, time.Now().Before(deadline), "process %d: %s", pid, stat)
	}
}

// A block is free at once when its program is killed. The bar is 50 ms; computers that are busy with
// other tests get more.
func TestKilledProgramFreesItsBlock(t *testing.T) {
	requireSupervision(t)
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			i := install(t, u)
			for range 3 {
				c, ports, pid := startBindFirst(t, i)
				since := time.Now()
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				took := requireFree(t, reservation.UDP, ports, since)
				require.Less(t, took, 5*time.Second)
				t.Logf("free after %v", took)
				require.Equal(t, 128+9, c.wait())
			}
		})
	}
}

// The program ends when berth is killed, even one that does not want to, and somebody says why.
func TestKilledBerthEndsItsProgram(t *testing.T) {
	requireSupervision(t)
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			c, ports, pid := startBindFirst(t, install(t, u))
			require.NoError(t, c.berth.Process.Kill())
			require.Equal(t, -1, c.wait())
			requireFree(t, reservation.UDP, ports, time.Now())
			requireWords(t, c, "berth exec (pid "+strconv.Itoa(c.berth.Process.Pid)+") was killed", "(pid "+strconv.Itoa(pid)+")")
		})
	}
	t.Run("a program that ignores SIGTERM", func(t *testing.T) {
		c, ports, _ := startBindFirst(t, install(t, users()[0]), strconv.Itoa(int(unix.SIGTERM)))
		require.NoError(t, c.berth.Process.Kill())
		require.Equal(t, "signal 15", c.line(t))
		requireFree(t, reservation.UDP, ports, time.Now())
		requireWords(t, c, "has to end, since nobody holds its ports any more", "did not end within 5s of SIGTERM and is killed")
	})
}

// requireWords waits until all that was to be said on standard error has been said.
func requireWords(t *testing.T, c *conversation, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		missing := ""
		for _, word := range words {
			if !strings.Contains(c.said(t), word) {
				missing = word
			}
		}
		if missing == "" {
			return
		}
		require.True(t, time.Now().Before(deadline), "nobody says %q: %s", missing, c.said(t))
	}
}

// What the program leaves behind goes on: it keeps what it has bound, and its binds are the kernel's
// business again.
func TestDescendantsOutliveTheProgram(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	program := `
import os, socket, sys
port, kept = int(os.environ["BERTH_UDP_FIRST"]), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
kept.bind(("127.0.0.1", port))
if os.fork() > 0:
    os._exit(3)
print(port, flush=True)
sys.stdin.readline()
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("127.0.0.1", 0))
again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
again.bind(("127.0.0.1", port + 1))
print(again.getsockname()[1], flush=True)
sys.stdin.readline()
`
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			c := install(t, u).start(t, "exec", "udp", "2", "--", python, "-c", program)
			port, err := strconv.ParseUint(c.line(t), 10, 16)
			require.NoError(t, err)
			state, err := c.berth.Process.Wait()
			require.NoError(t, err)
			require.Equal(t, 3, state.ExitCode())
			last := pool.RangeOf(uint16(port) + 1)
			requireFree(t, reservation.UDP, last, time.Now())
			_, err = hold.New().Hold(t.Context(), reservation.UDP, pool.RangeOf(uint16(port)))
			require.ErrorIs(t, err, reservation.ErrInUse, "the descendant has it")
			c.tell(t, "bind")
			require.Equal(t, last.String(), c.line(t))
			c.tell(t, "end")
			requireFree(t, reservation.UDP, pool.RangeOf(uint16(port)), time.Now())
			require.Empty(t, c.said(t))
		})
	}
}

func TestPortZero(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	program := `
import os, socket
ports = []
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
    ports.append(s.getsockname()[1])
print(sorted(ports) == list(range(int(os.environ["BERTH_UDP_FIRST"]), int(os.environ["BERTH_UDP_LAST"]) + 1)))
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 0))
except OSError as e:
    print(e.errno)
t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
t.bind(("127.0.0.1", 0))
print(t.getsockname()[1] not in ports)
`
	i := install(t, users()[0])
	stdout, stderr, code := i.run(t, "exec", "udp", "4", "--port-zero=block", "--", python, "-c", program)
	require.Zero(t, code, stderr)
	require.Equal(t, "True\n98\nTrue\n", stdout)
	stdout, stderr, code = i.run(t, "exec", "udp", "4", "--", python, "-c", program)
	require.Zero(t, code, stderr)
	require.Equal(t, "False\nTrue\n", stdout)
}

// passed is a Python program that takes over sockets by the protocol of socket activation.
const passed = `
import os, socket, sys
if int(os.environ["LISTEN_PID"]) != os.getpid(): sys.exit("not for me")
names = os.environ["LISTEN_FDNAMES"].split(":")
sockets = [socket.socket(fileno=3 + n) for n in range(int(os.environ["LISTEN_FDS"]))]
for name, s in zip(names, sockets):
    host, port = s.getsockname()[:2]
    print(name, host, port, s.type.name, os.get_blocking(s.fileno()))
    if s.type == socket.SOCK_STREAM:
        with socket.create_connection((sys.argv[1], port)) as c:
            c.sendall(b"x")
            with s.accept()[0] as peer: print(peer.recv(1).decode())
    else:
        c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        c.sendto(b"y", (sys.argv[1], port))
        print(s.recv(1).decode())
print(os.path.exists("/proc/self/fd/%d" % (3 + len(sockets))))
`

func TestSocketsArePassed(t *testing.T) {
	python := requireProgram(t, "python3")
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			i := install(t, u)
			for address, host := range map[string]string{"": "::", "127.0.0.1": "127.0.0.1", "::": "::", "0.0.0.0": "0.0.0.0"} {
				arguments := []string{"exec", "udp", "2", "tcp", "1", "--pass-fds"}
				if address != "" {
					arguments = append(arguments, "--addr", address)
				}
				stdout, stderr, code := i.run(t, append(arguments, "--", python, "-c", passed, "127.0.0.1", "{udp.0}", "{udp.1}", "{tcp}")...)
				require.Zero(t, code, stderr)
				require.Empty(t, stderr)
				require.Regexp(t, `^udp-(\d+) `+host+` \d+ SOCK_DGRAM True\ny\nudp-(\d+) `+host+` \d+ SOCK_DGRAM True\ny\ntcp-(\d+) `+host+` \d+ SOCK_STREAM True\nx\nFalse\n$`, stdout)
			}
			_, stderr, code := i.run(t, "exec", "udp", "1", "--pass-fds", "--addr", "192.0.2.1", "--", "true")
			require.Equal(t, 125, code)
			require.Contains(t, stderr, "Bind an address of this computer")
		})
	}
}

func TestReserved(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	i := install(t, users()[0])
	stdout, _, code := i.run(t, "find", "udp", "4", "--within", "10000-31999")
	require.Zero(t, code)
	ports := strings.TrimSpace(stdout)
	_, stderr, code := i.run(t, "exec", "--reserved", "udp", ports, "--", "true")
	require.Equal(t, 125, code)
	require.Contains(t, stderr, "berth reserve udp "+ports)
	_, stderr, code = i.run(t, "reserve", "udp", ports)
	require.Zero(t, code, stderr)
	c := i.start(t, "exec", "--reserved", "udp", ports, "--", python, "-c", bindAll, "1", "alone")
	require.Equal(t, ports, c.line(t))
	_, stderr, code = i.run(t, "exec", "--reserved", "udp", ports, "--", "true")
	require.Equal(t, 125, code)
	require.Contains(t, stderr, "in use by berth (pid "+strconv.Itoa(c.berth.Process.Pid)+")")
	_, stderr, code = i.run(t, "list") // the store is free for others
	require.Zero(t, code, stderr)
	c.tell(t, "go")
	require.Equal(t, "done", c.line(t))
	c.tell(t, "end")
	require.Zero(t, c.wait(), c.said(t))
	stdout, _, _ = i.run(t, "list")
	require.Contains(t, stdout, ports)
}

// Where the system refuses supervision, as for what is supervised already, the program runs all the
// same, and berth says what is different.
func TestReleasedAtStart(t *testing.T) {
	requireSupervision(t)
	i := install(t, users()[0])
	stdout, stderr, code := i.run(t, "exec", "udp", "2", "--", i.path, "exec", "udp", "2", "--", "sh", "-c", "echo {udp} $BERTH_UDP; exit 5")
	require.Equal(t, 5, code, stderr)
	told := strings.Fields(stdout)
	require.Len(t, told, 2)
	require.NotEqual(t, told[0], told[1], "the inner program has other ports than the outer one")
	require.Equal(t, "berth: note: the ports are free for anybody from now on until sh binds them: the program is supervised already, by another berth exec or a container\n", stderr)
}
