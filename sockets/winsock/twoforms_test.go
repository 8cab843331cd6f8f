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
	computer, err := os.ReadFile("testdata/listener/computer.go.txt")
	require.NoError(t, err)

	buildProgram(t, "windows", map[string]string{"main.go": string(program)})

	executable := buildProgram(t, runtime.GOOS, map[string]string{
		"main.go":     strings.Replace(string(program), windowsImport, winsockImport, 1),
		"computer.go": string(computer),
	})
	requireIPv6(t)
	port := freeUDPPort(t)
	output, err := exec.Command(executable, strconv.Itoa(port)).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Equal(t, "bound 2 sockets to port "+strconv.Itoa(port)+"\nreceived \"hello\"\n", string(output))
}

// buildProgram builds a program of these files as if they were in a folder of this package, so that
// the module's own go.mod counts, without writing into the checkout.
func buildProgram(t *testing.T, system string, files map[string]string) (executable string) {
	t.Helper()
	folder := t.TempDir()
	inModule, err := filepath.Abs("testdata/program")
	require.NoError(t, err)
	replace := map[string]string{}
	for name, text := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		replace[filepath.Join(inModule, name)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
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
