package command

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

const netshOK = "Ok.\r\n\r\n"

// runNetsh runs a command line as the program would that is called netsh.
func runNetsh(t *testing.T, line string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := RunNetsh(t.Context(), strings.Fields(line), strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestNetshChangesTheStore(t *testing.T) {
	newHome(t)
	block := freePorts(t, 20)
	ports := fmt.Sprintf("tcp %d 20", block.First())
	require.Equal(t, result{0, netshOK, ""}, runNetsh(t, "int ipv4 add excludedportrange "+ports))
	require.Contains(t, run(t, "list").stdout, block.String())
	require.Contains(t, runNetsh(t, "int ipv4 show ex tcp").stdout, fmt.Sprintf("\r\n%10d%12d     *\r\n", block.First(), block.Last()))

	again := run(t, append([]string{"netsh"}, strings.Fields("int ipv4 add ex "+ports)...)...)
	require.Equal(t, exitFailure, again.code)
	require.Equal(t, "The process cannot access the file because it is being used by another process.\r\n\r\n", again.stdout)
	require.Contains(t, again.stderr, fmt.Sprintf("berth: cannot exclude tcp %s: tcp %s is excluded since ", block, block))

	require.Equal(t, result{0, netshOK, ""}, runNetsh(t, "int ipv6 delete ex "+ports))
	require.Empty(t, run(t, "list").stdout)

	require.Equal(t, result{0, netshOK, ""}, runNetsh(t, "int ipv4 set dynamic udp start=20000 num=5000"))
	r := run(t, "--boot", "next", "netsh", "interface", "ipv6", "show", "dynamicport", "udp")
	require.Equal(t, result{0, "\r\nProtocol udp Dynamic Port Range\r\n---------------------------------\r\n" +
		"Start Port      : 20000\r\nNumber of Ports : 5000\r\n\r\n", ""}, r)
}

// Looking, deleting what is not there and mistakes make no store.
func TestNetshCreatesNoStoreInVain(t *testing.T) {
	path := newHome(t)
	for line, want := range map[string]struct {
		code           int
		stdout, stderr string
	}{
		"int ipv4 show ex udp":           {0, "Protocol udp Port Exclusion Ranges", ""},
		"int ipv4 show dyn udp":          {0, ": 49152", ""},
		"int ipv4 add ex ?":              {0, "Usage: add excludedportrange", ""},
		"int ipv4 del ex udp 50000 1":    {1, "The system cannot find the file specified.\r\n\r\n", "berth: cannot delete the exclusion: it is not excluded\n"},
		"int ipv4 add ex udp 0 1":        {1, "The parameter is incorrect.\r\n\r\n", "berth: "},
		"int ipv4 set dyn udp 1 1 act":   {1, "The request is not supported.\r\n\r\n", "Leave out the store"},
		"int ipv4 add ex udp":            {1, "One or more essential parameters", "needs startport\nSee what there is: berth netsh ?\n"},
		"":                               {1, "Commands:", "next comes interface"},
		"wlan show interfaces":           {1, "The following command was not found: wlan show interfaces.\r\n", `berth: "wlan" is a command of Windows`},
		"-c interface":                   {1, "The following command was not found: -c interface.\r\n", "berth: "},
		"--store x int ipv4 show ex udp": {1, "The following command was not found: --store x int", "berth: "},
	} {
		r := runNetsh(t, line)
		require.Equal(t, want.code, r.code, line)
		require.Contains(t, r.stdout, want.stdout, line)
		require.Contains(t, r.stderr, want.stderr, line)
		require.Equal(t, want.stderr == "", r.stderr == "", line)
	}
	r := run(t, "--json", "netsh", "int", "ipv4", "show", "ex", "udp")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "berth list --json")
	require.NoDirExists(t, filepath.Dir(path))
}

// Trouble with the store ends with netsh's exit code, and is explained in berth's words.
func TestNetshAndTrouble(t *testing.T) {
	path := newHome(t)
	block := freePorts(t, 1)
	line := "int ipv4 add ex udp " + block.String() + " 1"
	require.Equal(t, netshOK, runNetsh(t, line).stdout)
	holder, err := store.Open(t.Context(), path, &store.Options{Exclusive: true})
	require.NoError(t, err)
	require.Contains(t, runNetsh(t, "int ipv4 show ex udp").stdout, block.String(), "looking needs no lock")
	busy := runNetsh(t, "int ipv4 del ex udp "+block.String()+" 1")
	require.NoError(t, holder.Close())
	require.Equal(t, 1, busy.code)
	require.Equal(t, "A device attached to the system is not functioning.\r\n\r\n", busy.stdout)
	require.Contains(t, busy.stderr, "is held by")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	r := runWith(cancelled, "netsh", "int", "ipv4", "show", "ex", "udp")
	require.Equal(t, 1, r.code)
	require.Equal(t, "berth: interrupted\n", r.stderr)

	var stderr bytes.Buffer
	code := RunNetsh(t.Context(), strings.Fields("int ipv4 show ex udp"), strings.NewReader(""), failingWriter{}, &stderr)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), "no space left on device")
}

func TestIsNetsh(t *testing.T) {
	for program, want := range map[string]bool{
		"netsh": true, "/usr/local/bin/netsh": true, "netsh.exe": true, "NETSH.EXE": true, "./Netsh": true,
		"berth": false, "berth.exe": false, "netsh2": false, "/netsh/berth": false, "": false, ".exe": false, "netsh.exe.exe": false,
	} {
		require.Equal(t, want, IsNetsh(program), program)
	}
}

// Each operation of the engine that netsh asks for has a verb in berth's sentences.
func TestNetshOperationsHaveVerbs(t *testing.T) {
	for _, op := range []string{opDynamic, opSetDynamic, opDeleteExclusion} {
		require.NotEqual(t, op+" udp", describeCall(&reservation.Error{Op: op, Protocol: reservation.UDP}))
	}
}
