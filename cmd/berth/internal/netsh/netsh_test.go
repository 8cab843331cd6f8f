package netsh_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berth/internal/netsh"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
	"github.com/berthkit/berth/reservation/win32"
)

var update = flag.Bool("update", false, "write testdata with what netsh prints now")

// run runs a command line of words and returns what netsh prints and how it ends.
func run(t testing.TB, on netsh.Computer, line string) (string, error) {
	t.Helper()
	var output bytes.Buffer
	err := (&netsh.Shell{Lend: netsh.On(on), Output: &output}).Run(t.Context(), strings.Fields(line))
	return output.String(), err
}

// succeed runs a command line that must exit with 0.
func succeed(t testing.TB, on netsh.Computer, line string) string {
	t.Helper()
	output, err := run(t, on, line)
	require.NoError(t, err, output)
	require.Zero(t, netsh.ExitCode(err))
	return output
}

// fail runs a command line that must exit with 1, and returns the first line that it prints.
func fail(t testing.TB, on netsh.Computer, line string, condition error) string {
	t.Helper()
	output, err := run(t, on, line)
	require.ErrorIs(t, err, condition, output)
	require.Equal(t, 1, netsh.ExitCode(err))
	first, _, _ := strings.Cut(output, "\r\n")
	return first
}

const (
	ok       = "Ok.\r\n\r\n"
	in4      = "int ipv4 "
	headings = "Start Port    End Port      \r\n----------    --------      \r\n"
)

// furnished returns a machine with one block of every sort among the TCP ports.
func furnished(t testing.TB) *machine.Machine {
	t.Helper()
	m := machinetest.New(t)
	admin := m.Process("admin", machine.Elevated)
	for line := range strings.Lines(`add ex tcp 1 1
		add ex tcp 50000 60
		add ex tcp 30000 10 active
		add ex tcp 65535 1`) {
		require.Equal(t, ok, succeed(t, admin, in4+line))
	}
	_, err := admin.CreatePersistent(t.Context(), machine.TCP, pool.MustParseRange("20000-20019"), "media")
	require.NoError(t, err)
	require.NoError(t, m.Install(machine.Service{Name: "http.sys", Holds: []machine.Hold{{Protocol: machine.TCP, First: 5357, Count: 1}}}))
	_, err = m.Occupy(machine.TCP, 40007, "game.exe")
	require.NoError(t, err)
	admin.Exit()
	return m
}

// TestOutput compares what netsh prints with testdata, byte for byte.
func TestOutput(t *testing.T) {
	for name, test := range map[string]struct {
		line      string
		privilege machine.Privilege
		condition error // that it fails with; nil if it does not
	}{
		"show":               {in4 + "show excludedportrange protocol=tcp", machine.Plain, nil},
		"show-empty":         {"int ipv6 show excludedportrange udp", machine.Plain, nil},
		"show-persistent":    {in4 + "sh ex tcp store=persistent", machine.Plain, nil},
		"show-dynamic":       {in4 + "show dynamicport tcp", machine.Plain, nil},
		"show-dynamic-udp":   {in4 + "show dynamicport udp persistent", machine.Plain, nil},
		"add":                {in4 + "add excludedportrange tcp 40000 7", machine.Elevated, nil},
		"delete":             {in4 + "delete excludedportrange tcp 50000 60", machine.Elevated, nil},
		"set":                {in4 + "set dynamic tcp start=10000 num=1000", machine.Elevated, nil},
		"in-use":             {in4 + "add ex tcp 40000 8", machine.Elevated, reservation.ErrInUse},
		"elevation":          {in4 + "add ex tcp 40000 7", machine.Administrator, reservation.ErrDenied},
		"invalid":            {in4 + "add ex tcp 65000 1000", machine.Elevated, reservation.ErrInvalid},
		"missing":            {in4 + "delete ex tcp 50000 59", machine.Elevated, reservation.ErrNotFound},
		"held":               {in4 + "delete ex tcp 5357 1", machine.Elevated, reservation.ErrNotFound},
		"unsupported":        {in4 + "set dyn tcp 10000 1000 active", machine.Elevated, reservation.ErrUnsupported},
		"not-found":          {in4 + "get dynamicport tcp", machine.Plain, reservation.ErrInvalid},
		"missing-parameter":  {in4 + "add ex tcp 40000", machine.Plain, reservation.ErrInvalid},
		"unknown-parameter":  {in4 + "show ex tcp port=5", machine.Plain, reservation.ErrInvalid},
		"invalid-value":      {in4 + "set dyn tcp 1x 1000", machine.Plain, reservation.ErrInvalid},
		"too-early":          {"", machine.Plain, reservation.ErrInvalid},
		"help":               {"?", machine.Plain, nil},
		"help-show":          {in4 + "show ?", machine.Plain, nil},
		"help-add":           {in4 + "add ex ?", machine.Plain, nil},
		"help-delete":        {in4 + "delete ex ?", machine.Plain, nil},
		"help-show-excluded": {in4 + "show ex ?", machine.Plain, nil},
		"help-show-dynamic":  {in4 + "show dyn ?", machine.Plain, nil},
		"help-set":           {in4 + "set dyn ?", machine.Plain, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := furnished(t).Process("alice", test.privilege)
			output, err := run(t, p, test.line)
			if test.condition == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, test.condition)
			}
			file := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(output), 0o644))
			}
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(golden), output)
			require.Equal(t, strings.Count(output, "\n"), strings.Count(output, "\r\n"), "every line ends with CR LF")
		})
	}
}

// A capture of netsh that is imported comes out of netsh as it was.
func TestCaptureComesBack(t *testing.T) {
	capture, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "reservation", "machine", "testdata", "netsh", "english.txt"))
	require.NoError(t, err)
	rows, err := machine.ParseNetsh(bytes.NewReader(capture))
	require.NoError(t, err)
	m := machinetest.New(t)
	require.NoError(t, m.Import(rows))
	p := m.Process("alice", machine.Plain)
	require.Equal(t, string(capture),
		succeed(t, p, "int ipv4 show excludedportrange tcp")+succeed(t, p, "int ipv6 show excludedportrange udp"))
}

// Both families show and change the same ports (rule N2), each protocol its own (N1).
func TestFamiliesShareTheirPorts(t *testing.T) {
	p := machinetest.New(t).Process("admin", machine.Elevated)
	require.Equal(t, ok, succeed(t, p, "int ipv4 add ex udp 52311 1"))
	shown := succeed(t, p, "int ipv4 show ex udp")
	require.Equal(t, "\r\nProtocol udp Port Exclusion Ranges\r\n\r\n"+headings+
		"     52311       52311     *\r\n\r\n* - Administered port exclusions.\r\n\r\n", shown)
	require.Equal(t, shown, succeed(t, p, "int ipv6 show ex udp"))
	require.Equal(t, shown, succeed(t, p, "int ip show ex udp"))
	require.NotContains(t, succeed(t, p, "int ipv4 show ex tcp"), "52311")
	require.Equal(t, ok, succeed(t, p, "int ipv6 del ex udp 52311 1"))
	require.NotContains(t, succeed(t, p, "int ipv4 show ex udp"), "52311")

	require.Equal(t, ok, succeed(t, p, "int ipv6 set dyn udp 10000 1000"))
	require.Contains(t, succeed(t, p, "int ipv4 show dyn udp"), "Start Port      : 10000\r\nNumber of Ports : 1000\r\n\r\n")
	require.Contains(t, succeed(t, p, "int ipv4 show dyn tcp"), "Start Port      : 49152\r\nNumber of Ports : 16384\r\n\r\n")
}

// Without the tag store add makes an exclusion that stays; an active one ends with the restart (L5).
// The dynamic range stays (L6).
func TestRestart(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("admin", machine.Elevated)
	succeed(t, p, in4+"add ex tcp 40000 10")
	succeed(t, p, in4+"add ex tcp 41000 10 store=active")
	succeed(t, p, in4+"set dyn tcp 10000 1000")
	require.Contains(t, succeed(t, p, in4+"show ex tcp"), "     41000       41009     *\r\n")
	require.NotContains(t, succeed(t, p, in4+"show ex tcp store=persistent"), "41000")
	require.NoError(t, m.Reboot())
	require.Equal(t, win32.ERROR_INVALID_HANDLE.Error(), fail(t, p, in4+"show ex tcp", reservation.ErrClosed), "the process has ended")

	p = m.Process("admin", machine.Elevated)
	require.Contains(t, succeed(t, p, in4+"show ex tcp"), headings+"     40000       40009     *\r\n\r\n")
	require.Contains(t, succeed(t, p, in4+"show dyn tcp"), ": 10000\r\n")
}

// Delete wants the ports and the store of the add (X2).
func TestDeleteIsExact(t *testing.T) {
	p := machinetest.New(t).Process("admin", machine.Elevated)
	succeed(t, p, in4+"add ex tcp 40000 10")
	succeed(t, p, in4+"add ex tcp 41000 10 active")
	before := succeed(t, p, in4+"sh ex tcp")
	for _, arguments := range []string{
		"tcp 40000 9", "tcp 40001 9", "tcp 40000 11", "udp 40000 10", "tcp 40000 10 active", "tcp 41000 10", "tcp 1 1",
	} {
		require.Equal(t, "The system cannot find the file specified.", fail(t, p, in4+"del ex "+arguments, reservation.ErrNotFound), arguments)
	}
	require.Equal(t, before, succeed(t, p, in4+"sh ex tcp"))
	succeed(t, p, in4+"del ex tcp 40000 10")
	succeed(t, p, in4+"del ex tcp 41000 10 store = active")
	require.Equal(t, ok, succeed(t, p, in4+"add ex tcp 40000 1010"))
}

// What is not administered cannot be deleted by netsh, and is none the worse for the attempt.
func TestDeleteOfReservations(t *testing.T) {
	p := furnished(t).Process("admin", machine.Elevated)
	before := succeed(t, p, in4+"sh ex tcp")
	require.Equal(t, "Access is denied.", fail(t, p, in4+"del ex tcp 5357 1", reservation.ErrNotFound))
	require.Equal(t, "The system cannot find the file specified.", fail(t, p, in4+"del ex tcp 20000 20", reservation.ErrNotFound))
	require.Equal(t, "The system cannot find the file specified.", fail(t, p, in4+"del ex tcp 20000 19", reservation.ErrNotFound))
	require.Equal(t, before, succeed(t, p, in4+"sh ex tcp"))

	// The engine has an answer of its own to A16.
	policy := reservation.DefaultPolicy()
	policy.DeleteReservationAsExclusion = reservation.ErrDenied
	p = machinetest.NewFrom(t, machine.Config{Policy: &policy}).Process("admin", machine.Elevated)
	_, err := p.CreatePersistent(t.Context(), machine.TCP, pool.MustParseRange("20000-20019"), "")
	require.NoError(t, err)
	require.Equal(t, "Access is denied.", fail(t, p, in4+"del ex tcp 20000 20", reservation.ErrDenied))
}

// Only free ports can be excluded (X1), only by the elevated (P5), and show is for everyone.
func TestRefusals(t *testing.T) {
	const (
		inUse     = "The process cannot access the file because it is being used by another process."
		incorrect = "The parameter is incorrect."
		elevation = "The requested operation requires elevation (Run as administrator)."
	)
	m := furnished(t)
	before := succeed(t, m.Process("alice", machine.Plain), in4+"sh ex tcp")
	for _, test := range []struct {
		line      string
		privilege machine.Privilege
		said      string
		condition error
	}{
		{"add ex tcp 40007 1", machine.Elevated, inUse, reservation.ErrInUse},  // a socket
		{"add ex tcp 1 65535", machine.Elevated, inUse, reservation.ErrInUse},  // everything
		{"add ex tcp 50000 60", machine.Elevated, inUse, reservation.ErrInUse}, // the same again
		{"add ex tcp 30009 1", machine.Elevated, inUse, reservation.ErrInUse},  // an active exclusion
		{"add ex tcp 20019 1", machine.Elevated, inUse, reservation.ErrInUse},  // a persistent reservation
		{"add ex tcp 5357 1", machine.Elevated, inUse, reservation.ErrInUse},   // a runtime reservation
		{"add ex tcp 0 1", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"add ex tcp 1 0", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"add ex tcp 65535 2", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"del ex tcp 0 0", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"set dyn tcp 1024 1000", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"set dyn tcp 10000 254", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"set dyn tcp 65000 1000", machine.Elevated, incorrect, reservation.ErrInvalid},
		{"add ex tcp 0 1", machine.Plain, incorrect, reservation.ErrInvalid}, // A26: arguments first
		{"add ex tcp 50000 60", machine.Plain, elevation, reservation.ErrDenied},
		{"del ex tcp 50000 60", machine.Plain, elevation, reservation.ErrDenied},
		{"del ex tcp 7 7", machine.Administrator, elevation, reservation.ErrDenied},
		{"set dyn tcp 10000 1000", machine.Administrator, elevation, reservation.ErrDenied},
		{"set dyn tcp 10000 1000 active", machine.Elevated, "The request is not supported.", reservation.ErrUnsupported},
	} {
		p := m.Process("bob", test.privilege)
		require.Equal(t, test.said, fail(t, p, in4+test.line, test.condition), test.line)
		p.Exit()
	}
	p := m.Process("alice", machine.Plain)
	require.Equal(t, before, succeed(t, p, in4+"sh ex tcp"))
	require.Contains(t, succeed(t, p, in4+"sh dyn tcp"), ": 49152\r\n")
}

// The disk fails, the caller loses patience, the computer cannot be had: netsh has no better words.
func TestAccidents(t *testing.T) {
	m := machinetest.New(t)
	p := m.Process("admin", machine.Elevated)
	broken := errors.New("the disk is broken")
	m.FailNextCommit(broken)
	require.Equal(t, "A device attached to the system is not functioning.", fail(t, p, in4+"add ex tcp 40000 1", broken))
	require.NotContains(t, succeed(t, p, in4+"sh ex tcp"), "40000")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var output bytes.Buffer
	shell := netsh.Shell{Lend: netsh.On(p), Output: &output}
	require.ErrorIs(t, shell.Run(cancelled, strings.Fields(in4+"sh ex tcp")), context.Canceled)
	require.Contains(t, output.String(), win32.ERROR_OPERATION_ABORTED.Error())

	shell.Output = failingWriter{}
	require.ErrorIs(t, shell.Run(t.Context(), strings.Fields(in4+"sh ex tcp")), errLost)
	require.ErrorIs(t, shell.Run(t.Context(), strings.Fields("no such thing")), errLost)

	shell = netsh.Shell{Output: &output, Lend: func(context.Context, netsh.Access, func(netsh.Computer) error) error {
		return fmt.Errorf("the store: %w", os.ErrPermission)
	}}
	output.Reset()
	require.ErrorIs(t, shell.Run(t.Context(), strings.Fields(in4+"add ex tcp 40000 1")), os.ErrPermission)
	require.Equal(t, "The requested operation requires elevation (Run as administrator).\r\n\r\n", output.String())
}

var errLost = errors.New("nobody reads")

// failingWriter is a pipe whose reader has gone.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errLost }

// A computer is asked for only when a command is understood, and for no more than the command needs.
func TestAccess(t *testing.T) {
	p := machinetest.New(t).Process("admin", machine.Elevated)
	for line, want := range map[string][]netsh.Access{
		"sh ex tcp":          {netsh.Look},
		"sh dyn tcp":         {netsh.Look},
		"add ex tcp 1 1":     {netsh.Make},
		"del ex tcp 1 1":     {netsh.End},
		"set dyn tcp 1025 9": {netsh.Make},
		"add ex tcp 0 1":     nil,
		"add ex tcp 1 1 ?":   nil,
		"add ex tcp one 1":   nil,
		"add":                nil,
		"wlan":               nil,
	} {
		var asked []netsh.Access
		shell := netsh.Shell{Output: new(bytes.Buffer), Lend: func(ctx context.Context, access netsh.Access, use func(netsh.Computer) error) error {
			asked = append(asked, access)
			return use(p)
		}}
		_ = shell.Run(t.Context(), strings.Fields(in4+line)) // some fail; what they ask for counts
		require.Equal(t, want, asked, line)
	}
}

func TestPolicy(t *testing.T) {
	p := furnished(t).Process("admin", machine.Elevated)
	var output bytes.Buffer
	shell := netsh.Shell{Lend: netsh.On(p), Output: &output, Policy: netsh.Policy{
		HidePersistent: true, DeleteMissing: win32.ERROR_NOT_FOUND, DeleteHeld: win32.ERROR_SHARING_VIOLATION,
	}}
	require.NoError(t, shell.Run(t.Context(), strings.Fields(in4+"sh ex tcp")))
	require.NotContains(t, output.String(), "20000")
	require.Contains(t, output.String(), "50059     *\r\n")
	require.Error(t, shell.Run(t.Context(), strings.Fields(in4+"del ex tcp 7 7")))
	require.Error(t, shell.Run(t.Context(), strings.Fields(in4+"del ex tcp 5357 1")))
	require.True(t, strings.HasSuffix(output.String(),
		win32.ERROR_NOT_FOUND.Error()+"\r\n\r\n"+win32.ERROR_SHARING_VIOLATION.Error()+"\r\n\r\n"), output.String())
}

// FuzzRun runs any command line, its arguments parted by line ends. It must leave the machine alone
// or change one thing, end with 0 or 1, and print lines that a script can read.
func FuzzRun(f *testing.F) {
	for _, line := range []string{
		"int ipv4 add ex tcp 40000 10", "int ipv4 del ex tcp 50000 60", "int ip set dyn udp start = 1025 num = 255 store=p",
		"int ipv6 sh ex udp active", "int ipv6 sh dyn tcp", "int ipv4 sh ?", "wlan show", "int ipv4 add ex tcp == 5 = = 6",
	} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := machine.New(machine.Config{Seed: 1})
		require.NoError(t, err)
		defer m.Close()
		p := m.Process("admin", machine.Elevated)
		require.NoError(t, p.AddExclusion(t.Context(), machine.TCP, pool.MustParseRange("50000-50059"), reservation.PersistentStore))
		before := state(t, m)
		var output bytes.Buffer
		err = (&netsh.Shell{Lend: netsh.On(p), Output: &output}).Run(t.Context(), strings.Split(text, "\n"))
		printed := output.String()
		require.NotEmpty(t, printed)
		require.True(t, strings.HasSuffix(printed, "\r\n"))
		for line := range strings.Lines(printed) {
			line = strings.TrimSuffix(line, "\r\n")
			require.NotContains(t, line, "\r")
			require.NotContains(t, line, "\n")
			require.NotContains(t, line, "\x1b")
		}
		if state(t, m) != before {
			require.NoError(t, err)
			require.Equal(t, ok, printed)
		}
		if err != nil {
			require.Equal(t, 1, netsh.ExitCode(err))
			require.NotEmpty(t, err.Error())
		}
	})
}

func state(t testing.TB, m *machine.Machine) string {
	t.Helper()
	var dump bytes.Buffer
	_, err := m.WriteTo(&dump)
	require.NoError(t, err)
	return dump.String()
}
