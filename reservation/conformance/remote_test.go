package conformance_test

import (
	"encoding/gob"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
	"github.com/berthkit/berth/reservation/win32"
)

// remoteDoor makes calls in the process at the other end of conn, one after the other.
func remoteDoor(conn io.ReadWriter) door {
	var mu sync.Mutex
	calls, replies := gob.NewEncoder(conn), gob.NewDecoder(conn)
	return func(c call) reply {
		mu.Lock()
		defer mu.Unlock()
		var r reply
		if calls.Encode(c) != nil || replies.Decode(&r) != nil {
			return reply{Errno: win32.WSANOTINITIALISED} // the process has ended
		}
		return r
	}
}

// serveDoor makes the calls that come in, until the process exits or the connection ends.
func serveDoor(conn io.ReadWriter, d door) {
	calls, replies := gob.NewDecoder(conn), gob.NewEncoder(conn)
	for {
		var c call
		if calls.Decode(&c) != nil || replies.Encode(d(c)) != nil || c.Function == "exit" {
			return
		}
	}
}

// TestRemoteDoors sends every call through a connection, as TestWindows does.
func TestRemoteDoors(t *testing.T) {
	conformance.Test(t, func(t testing.TB) *conformance.Host {
		m := machinetest.New(t)
		return &conformance.Host{
			Start: func(t testing.TB, elevated bool) *conformance.Process {
				p := startOnMachine(m, elevated)
				local, exit := p.door, p.exit
				near, far := net.Pipe()
				served := make(chan struct{})
				go func() {
					defer close(served)
					serveDoor(far, local)
					far.Close()
				}()
				t.Cleanup(func() { near.Close(); <-served })
				p.door, p.exit = remoteDoor(near), func() error { near.Close(); return exit() }
				return p.process()
			},
			Reboot: func(t testing.TB) { require.NoError(t, m.Reboot()) },
			Occupy: occupyMachine(m),
			Is:     isCode,
		}
	})
}

// serverVariable has the address that TestDoorServer connects to.
const serverVariable = "BERTH_TEST_DOOR"

// TestDoorServer is a process of another test: it makes that one's calls until it is told to exit.
func TestDoorServer(t *testing.T) {
	address := os.Getenv(serverVariable)
	if address == "" {
		t.Skip("runs as a part of other tests only")
	}
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	serveDoor(conn, ownDoor(t))
}

// startProcess starts this program once more, as TestDoorServer, and returns its door.
func startProcess(t testing.TB) *doorProcess {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer listener.Close()
	requireReachable(t, listener)
	require.NoError(t, listener.SetDeadline(time.Now().Add(time.Minute))) // if it never comes
	executable, err := os.Executable()
	require.NoError(t, err)
	process := exec.Command(executable, "-test.run=^TestDoorServer$")
	process.Env = append(os.Environ(), serverVariable+"="+listener.Addr().String())
	process.Stderr = os.Stderr
	require.NoError(t, process.Start())
	conn, err := listener.Accept()
	require.NoError(t, err)
	var once sync.Once
	end := func() error {
		var err error
		once.Do(func() {
			conn.Close()
			err = process.Wait()
		})
		return err
	}
	t.Cleanup(func() { _ = end() })
	return &doorProcess{door: remoteDoor(conn), exit: end}
}

// requireReachable skips the test in a sandbox whose loopback interface is down.
func requireReachable(t testing.TB, listener net.Listener) {
	t.Helper()
	probe, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Skipf("processes cannot reach each other through the loopback interface: %v", err)
	}
	defer probe.Close()
	accepted, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, accepted.Close())
}

// TestProcess runs one other process, as TestWindows runs several, and has it do what needs no second.
func TestProcess(t *testing.T) {
	if os.Getenv(serverVariable) != "" {
		t.Skip("this is the other process")
	}
	if runtime.GOOS == "windows" {
		t.Skip("TestWindows does this and more, where it is wanted")
	}
	p := startProcess(t).process()
	endpoint, err := p.API.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	held, err := endpoint.Acquire(t.Context(), reservation.Request{Count: 4})
	require.NoError(t, err)
	require.NoError(t, endpoint.Associate(t.Context(), held.Token))
	port, err := endpoint.Bind(t.Context(), 0, nil)
	require.NoError(t, err)
	require.True(t, held.Range.Contains(port))
	require.NoError(t, p.API.Close())
	require.NoError(t, p.API.Close())
	_, err = p.API.Open(t.Context(), reservation.UDP)
	require.True(t, isCode(err, reservation.ErrClosed), "%v", err)
}

// simulatedDoor is the door of a process on a machine of its own.
func simulatedDoor(t *testing.T) door {
	m, err := machine.New(machine.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return startOnMachine(m, true).door
}
