package main

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// TestMain lets the test binary be berth itself, a thief that berth exec keeps out, and a program
// that measures what berth exec costs it.
func TestMain(m *testing.M) {
	if what := os.Getenv(thiefVariable); what != "" {
		os.Exit(steal(what))
	}
	if what := os.Getenv(calibrateVariable); what != "" && len(os.Args) > 1 && os.Args[1] == "calibrate" {
		os.Exit(calibrate(os.Args[len(os.Args)-1]))
	}
	if os.Getenv("BERTH_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestCtrlCEndsListen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot send Ctrl-C to one process")
	}
	home := t.TempDir()
	computer, err := system.Open(t.Context(), &system.Options{Store: filepath.Join(home, "none.db"), BootID: "any", ReadOnly: true})
	require.NoError(t, err)
	port, err := computer.Free(t.Context(), reservation.UDP, 1, pool.Search{Within: pool.MustParseRange("10000-31999"), From: uint16(10000 + rand.IntN(20000))})
	require.NoError(t, err)
	require.NoError(t, computer.Close())

	program, err := os.Executable()
	require.NoError(t, err)
	berth := exec.CommandContext(t.Context(), program, "listen", "udp", port.String(), "--reserve")
	berth.Env = append(os.Environ(), "BERTH_TEST_MAIN=1", "HOME="+home, system.StoreVariable+"="+filepath.Join(home, "berth.db"))
	berth.Stderr = os.Stderr
	stdout, err := berth.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, berth.Start())
	address, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:"+port.String()+"\n", address)
	require.NoError(t, berth.Process.Signal(os.Interrupt))
	require.NoError(t, berth.Wait())
}

func TestNameDecides(t *testing.T) {
	home := t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	netsh := exec.CommandContext(t.Context(), program)
	netsh.Args = []string{filepath.Join(home, "bin", "netsh"), "interface", "ipv4", "show", "excludedportrange", "udp"}
	netsh.Env = append(os.Environ(), "BERTH_TEST_MAIN=1", "HOME="+home, system.StoreVariable+"="+filepath.Join(home, "berth.db"))
	output, err := netsh.CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "\r\nProtocol udp Port Exclusion Ranges\r\n\r\nStart Port    End Port      \r\n"+
		"----------    --------      \r\n\r\n* - Administered port exclusions.\r\n\r\n", string(output))
}
