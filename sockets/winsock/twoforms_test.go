package winsock_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/sockets/winsock"
)

const (
	windowsImport = `windows "golang.org/x/sys/windows"`
	winsockImport = `windows "github.com/berthkit/berth/sockets/winsock"`
)

// A program in the pattern of MsQuic's listener (R1) is compiled for Windows as it is, and for this
// computer with its import path changed and nothing else; here it is run, too.
func TestProgramCompilesWithOnlyItsImportChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for Windows, which takes a while the first time")
	}
	program, err := os.ReadFile("testdata/listener/main.go.txt")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(program), windowsImport))
	buildProgram(t, "windows", string(program))
	executable := buildProgram(t, runtime.GOOS, strings.Replace(string(program), windowsImport, winsockImport, 1))

	requireIPv6(t)
	port := freeUDPPort(t)
	run := func(store string) (string, error) {
		command := exec.Command(executable, strconv.Itoa(port))
		command.Env = append(os.Environ(), "BERTH_STORE="+store)
		output, err := command.CombinedOutput()
		return string(output), err
	}
	folder := t.TempDir()
	for range 2 { // the first makes the store, the second finds it
		output, err := run(filepath.Join(folder, "private", "berth.db"))
		require.NoError(t, err, output)
		require.Equal(t, "bound 2 sockets to port "+strconv.Itoa(port)+"\nreceived \"hello\"\n", output)
	}
	output, err := run(folder)
	require.Error(t, err, "a folder is no store")
	require.Contains(t, output, winsock.WSANOTINITIALISED.Error())
}

// buildProgram builds a program as if it were in a folder of this package, so that the module's own
// go.mod counts, without writing into the checkout.
func buildProgram(t *testing.T, system, program string) (executable string) {
	t.Helper()
	folder := t.TempDir()
	inModule, err := filepath.Abs("testdata/program/main.go")
	require.NoError(t, err)
	path := filepath.Join(folder, "main.go")
	require.NoError(t, os.WriteFile(path, []byte(program), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{inModule: path}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o600))

	executable = filepath.Join(folder, "program.exe")
	build := exec.Command("go", "build", "-overlay", filepath.Join(folder, "overlay.json"), "-o", executable, "./testdata/program")
	build.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOPROXY=off")
	if system != runtime.GOOS {
		build.Env = append(build.Env, "GOARCH=amd64")
	}
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	return executable
}

func requireIPv6(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skipf("this computer has no IPv6: %v", err)
	}
	require.NoError(t, conn.Close())
}

func freeUDPPort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "[::]:0")
	require.NoError(t, err)
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}
