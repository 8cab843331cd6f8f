package command

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary run with roleVariable set is another program.
const (
	roleVariable = "BERTH_TEST_ROLE"
	rolePacket   = "packet" // sends a datagram to each of its arguments and prints what comes back
	patience     = 20 * time.Second
)

func playRole(role string) int {
	if role != rolePacket {
		fmt.Fprintf(os.Stderr, "unknown role %q\n", role)
		return 1
	}
	for _, address := range os.Args[1:] {
		answer, err := exchangePacket(address, "hello "+address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(answer)
	}
	return 0
}

// exchangePacket sends a datagram and returns the answer. A datagram may be lost, so it asks again.
func exchangePacket(address, text string) (string, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	buffer := make([]byte, 1<<16)
	for deadline := time.Now().Add(patience); ; {
		if _, err := conn.Write([]byte(text)); err != nil {
			return "", err
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := conn.Read(buffer)
		if err == nil {
			return string(buffer[:n]), nil
		}
		if time.Now().After(deadline) {
			return "", err
		}
	}
}

// otherProgram runs the test binary in a role and returns what it prints.
func otherProgram(t *testing.T, role string, args ...string) string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	require.NoError(t, err)
	return string(output)
}

// A listening is a berth command that runs until stop.
type listening struct {
	lines  []string // the lines of stdout so far
	output *bufio.Scanner
	cancel context.CancelFunc
	done   chan int // receives the exit code
	stderr strings.Builder
}

// listen starts berth listen and waits for that many lines of output.
func listen(t *testing.T, lines int, args ...string) *listening {
	t.Helper()
	l := start(t, append([]string{"listen"}, args...)...)
	l.read(t, lines)
	return l
}

// start runs a berth command beside the test, which reads its output as it comes.
func start(t *testing.T, args ...string) *listening {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	l := &listening{output: bufio.NewScanner(reader), cancel: cancel, done: make(chan int, 1)}
	go func() {
		code := Run(ctx, args, strings.NewReader(""), writer, &l.stderr)
		writer.Close()
		l.done <- code
	}()
	t.Cleanup(func() {
		l.stop(t)
		requireGoroutines(t, before)
	})
	return l
}

// read waits for that many further lines and returns the last of them.
func (l *listening) read(t *testing.T, lines int) string {
	t.Helper()
	for range lines {
		if !l.output.Scan() {
			code := <-l.done
			close(l.done)
			t.Fatalf("the command ended with %d: %s", code, l.stderr.String())
		}
		l.lines = append(l.lines, l.output.Text())
	}
	return l.output.Text()
}

// requireGoroutines waits until no more than want goroutines are left.
func requireGoroutines(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > want; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// stop is Ctrl-C.
func (l *listening) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	if code, open := <-l.done; open {
		require.Equal(t, exitOK, code, l.stderr.String())
		require.Empty(t, l.stderr.String())
		close(l.done)
	}
}

func TestListenEchoesDatagramsOfAnotherProgram(t *testing.T) {
	newHome(t)
	block := freePorts(t, 4)
	require.Zero(t, run(t, "reserve", "udp", block.String()).code)
	l := listen(t, 2, "udp", block.String(), "--count", "2")
	for _, address := range l.lines {
		bound, err := netip.ParseAddrPort(address)
		require.NoError(t, err)
		require.True(t, block.Contains(bound.Port()))
		require.True(t, bound.Addr().IsLoopback())
	}
	require.NotEqual(t, l.lines[0], l.lines[1])
	answers := otherProgram(t, rolePacket, l.lines...)
	require.Equal(t, "hello "+l.lines[0]+"\nhello "+l.lines[1]+"\n", answers)

	why := run(t, "why", "udp", block.String())
	require.Contains(t, why.stdout, "in use at 2 ports by")
	require.Contains(t, why.stdout, fmt.Sprintf("(pid %d)", os.Getpid()))

	l.stop(t)
	require.NotContains(t, run(t, "why", "udp", block.String()).stdout, "in use", "the ports are given back")
}

// Whoever listens does not hold the store: others go on reserving, and a second listener gets the
// rest of the block, and no more.
func TestListenLeavesTheStoreToOthers(t *testing.T) {
	newHome(t)
	block := freePorts(t, 4)
	listen(t, 1, "udp", block.String(), "--reserve")
	require.Zero(t, run(t, "reserve", "tcp", block.String()).code)
	require.Zero(t, run(t, "release", "tcp", block.String()).code)
	second := listen(t, 1, "udp", block.String(), "--reserve")
	full := run(t, "listen", "udp", block.String(), "--count", "3")
	require.Equal(t, exitExhausted, full.code, full.stderr)
	require.Contains(t, full.stderr, fmt.Sprintf("(pid %d)", os.Getpid()))
	second.stop(t)
	tooMany := run(t, "listen", "udp", block.String(), "--count", "5")
	require.Equal(t, exitExhausted, tooMany.code)
	require.Contains(t, tooMany.stderr, "--count 4")
	require.Zero(t, run(t, "release", "udp", block.String()).code, "a block may be released while sockets of it live")
}

func TestListenByToken(t *testing.T) {
	newHome(t)
	block := freePorts(t, 2)
	token := strings.TrimSpace(run(t, "reserve", "udp", block.String()).stdout)
	l := listen(t, 1, "udp", block.String(), "--token", token, "--json")
	var socket socketJSON
	require.NoError(t, json.Unmarshal([]byte(l.lines[0]), &socket))
	require.Equal(t, "udp", socket.Protocol.String())
	require.Equal(t, "127.0.0.1", socket.Address)
	require.True(t, block.Contains(socket.Port))
}

func TestListenEchoesStreams(t *testing.T) {
	newHome(t)
	block := freePorts(t, 2)
	l := listen(t, 1, "tcp", block.String(), "--reserve")
	conn, err := net.Dial("tcp", l.lines[0])
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = conn.Write([]byte("stream"))
	require.NoError(t, err)
	answer := make([]byte, 6)
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "stream", string(answer))

	l.stop(t) // ends connections as well
	_, err = conn.Read(answer)
	require.Error(t, err)
}

func TestListenOnEveryAddress(t *testing.T) {
	newHome(t)
	block := freePorts(t, 2)
	require.Zero(t, run(t, "reserve", "udp", block.String()).code)
	for _, test := range []struct{ address, ask string }{{"0.0.0.0", "127.0.0.1"}, {"::", "127.0.0.1"}, {"::1", "::1"}} {
		t.Run(test.address, func(t *testing.T) {
			probe, err := net.ListenPacket("udp", net.JoinHostPort(test.address, "0"))
			if err != nil {
				t.Skipf("this computer cannot bind %s: %v", test.address, err)
			}
			probe.Close()
			l := listen(t, 1, "udp", block.String(), "--addr", test.address)
			bound, err := netip.ParseAddrPort(l.lines[0])
			require.NoError(t, err)
			answer, err := exchangePacket(net.JoinHostPort(test.ask, fmt.Sprint(bound.Port())), "x")
			require.NoError(t, err)
			require.Equal(t, "x", answer)
		})
	}
	elsewhere := run(t, "listen", "udp", block.String(), "--addr", "192.0.2.1")
	require.NotZero(t, elsewhere.code)
	require.Contains(t, elsewhere.stderr, "Bind an address of this computer")
}
