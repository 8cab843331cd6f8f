package berthtest_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/berthtest"
)

func udpPort(conn *sockets.UDPConn) int { return conn.LocalAddr().(*net.UDPAddr).Port }

func tcpPort(listener *sockets.TCPListener) int { return listener.Addr().(*net.TCPAddr).Port }

func TestSocketsAreConsecutiveAndLoopback(t *testing.T) {
	for _, n := range []int{1, 2, 10} {
		conns, listeners := berthtest.UDP(t, n), berthtest.TCP(t, n)
		require.Len(t, conns, n)
		require.Len(t, listeners, n)
		for i := range n {
			require.True(t, conns[i].LocalAddr().(*net.UDPAddr).IP.IsLoopback())
			require.Equal(t, udpPort(conns[0])+i, udpPort(conns[i]))
			require.True(t, listeners[i].Addr().(*net.TCPAddr).IP.IsLoopback())
			require.Equal(t, tcpPort(listeners[0])+i, tcpPort(listeners[i]))
		}
	}
}

func TestSocketsWork(t *testing.T) {
	conns := berthtest.UDP(t, 2)
	_, err := conns[0].WriteTo([]byte("ping"), conns[1].LocalAddr())
	require.NoError(t, err)
	buffer := make([]byte, 16)
	n, from, err := conns[1].ReadFrom(buffer)
	require.NoError(t, err)
	require.Equal(t, "ping", string(buffer[:n]))
	require.Equal(t, conns[0].LocalAddr().String(), from.String())

	listener := berthtest.TCP(t, 1)[0]
	client, err := net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, server.Close())
}

func TestPairIsEvenFirst(t *testing.T) {
	rtp, rtcp := berthtest.Pair(t)
	require.Zero(t, udpPort(rtp)%2)
	require.Equal(t, udpPort(rtp)+1, udpPort(rtcp))
}

// What a test has closed nobody else gets before the test ends, and then everybody can.
func TestSocketsAreReturnedAtTheEnd(t *testing.T) {
	var address string
	t.Run("a test", func(t *testing.T) {
		conn := berthtest.UDP(t, 1)[0]
		address = conn.LocalAddr().String()
		require.NoError(t, conn.Close())
		if _, held := conn.Handover(); !held {
			t.Skip("this system does not hold ports with sockets")
		}
		_, err := net.ListenPacket("udp4", address)
		require.Error(t, err)
	})
	conn, err := net.ListenPacket("udp4", address)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestManyTestsAtOnce(t *testing.T) {
	var mu sync.Mutex
	owned := make(map[int]bool)
	own := func(t *testing.T, conns []*sockets.UDPConn, owns bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			require.NotEqual(t, owns, owned[udpPort(conn)], "a port has one owner")
			owned[udpPort(conn)] = owns
		}
	}
	for range 64 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			conns := berthtest.UDP(t, 8)
			own(t, conns, true)
			t.Cleanup(func() { own(t, conns, false) }) // before the sockets are closed
		})
	}
}

// programVariable makes this test binary one of many programs that want sockets at the same time.
const programVariable = "BERTH_BERTHTEST_PROGRAM"

func TestProgram(t *testing.T) {
	if os.Getenv(programVariable) == "" {
		t.Skip("runs as a program that TestManyProgramsAtOnce starts")
	}
	for range 50 {
		t.Run("", func(t *testing.T) { berthtest.UDP(t, 20); berthtest.TCP(t, 5); berthtest.Pair(t) })
	}
}

func TestManyProgramsAtOnce(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Skipf("this system does not name a program's file: %v", err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			command := exec.CommandContext(t.Context(), program, "-test.run=^TestProgram$", "-test.count=1")
			command.Env = append(os.Environ(), programVariable+"=1")
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	group.Wait()
}

// A failing is a test that notes how it failed.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, arguments ...any) {
	f.said = fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func TestFailureIsClear(t *testing.T) {
	for n, why := range map[int]string{
		0:     "a count of 0 ports",
		-1:    "a count of -1 ports",
		70000: "a count of 70000 ports",
		40000: "no 40000 consecutive ports are free",
	} {
		f := &failing{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			berthtest.UDP(f, n)
		}()
		<-ended
		require.Contains(t, f.said, fmt.Sprintf("berthtest: no %d bound udp sockets for the test", n))
		require.Contains(t, f.said, why)
	}
}
