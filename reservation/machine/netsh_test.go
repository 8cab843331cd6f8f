package machine_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

func row(protocol machine.Protocol, ports string, administered bool) machine.Row {
	return machine.Row{Protocol: protocol, Range: pool.MustParseRange(ports), Administered: administered}
}

// captured is what every file of testdata/netsh says, each in its language and encoding.
var captured = []machine.Row{
	row(machine.TCP, "80", false),
	row(machine.TCP, "5357", false),
	row(machine.TCP, "49691-49790", false),
	row(machine.TCP, "50000-50059", true),
	row(machine.TCP, "54235", false),
	row(machine.TCP, "54236", false),
	row(machine.UDP, "50000-50059", true),
	row(machine.UDP, "54315-54414", false),
}

func TestParseNetsh(t *testing.T) {
	files, err := filepath.Glob("testdata/netsh/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := os.Open(name)
			require.NoError(t, err)
			defer file.Close()
			rows, err := machine.ParseNetsh(file)
			require.NoError(t, err)
			require.Equal(t, captured, rows)
		})
	}
}

func TestParseNetshByLines(t *testing.T) {
	tests := map[string]struct {
		text string
		want []machine.Row
		err  string
	}{
		"no rows":               {"Protocol tcp Port Exclusion Ranges\n", nil, ""},
		"asterisk without room": {"udp\n 5 6*\n", []machine.Row{row(machine.UDP, "5-6", true)}, ""},
		"the last line ends":    {"udp\n5 6", []machine.Row{row(machine.UDP, "5-6", false)}, ""},
		"capitals":              {"PROTOKOLL UDP\n5 6", []machine.Row{row(machine.UDP, "5-6", false)}, ""},
		"no blank around":       {"协议tcp端口\n5 6", []machine.Row{row(machine.TCP, "5-6", false)}, ""},
		"a word that has tcp":   {"tcpip\n5 6", nil, "line 2: invalid argument: a row before any heading"},
		"both words":            {"tcp or udp\n5 6", nil, "line 2: invalid argument: a row before any heading"},
		"nothing":               {"", nil, "no heading"},
		"another program's":     {"The following command was not found\n", nil, "no heading"},
		"port 0":                {"tcp\n0 6", nil, "line 2: invalid range"},
		"too high":              {"tcp\n5 65536", nil, "line 2: invalid range"},
		"far too high":          {"tcp\n5 99999999999999999999999", nil, "line 2: invalid range"},
		"backward":              {"tcp\n6 5", nil, "line 2: invalid range"},
		"three numbers":         {"tcp\n5 6 7", nil, "line 2: invalid argument: \"7\" after the ports"},
		"text after":            {"tcp\n5 6 * x", nil, "line 2: invalid argument"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := machine.ParseNetsh(strings.NewReader(test.text))
			if test.err != "" {
				require.ErrorIs(t, err, reservation.ErrInvalid)
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, rows)
		})
	}
	broken := errors.New("broken pipe")
	_, err := machine.ParseNetsh(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	_, err = machine.ParseNetsh(io.LimitReader(endless{}, 1<<30))
	require.ErrorIs(t, err, reservation.ErrInvalid)
}

// endless is blanks without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// FuzzParseNetsh reads anything. What it accepts, written the way netsh writes it, reads the same.
func FuzzParseNetsh(f *testing.F) {
	files, err := filepath.Glob("testdata/netsh/*.txt")
	require.NoError(f, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("\xfe\xff\x00t\x00c\x00p\x00\n\x005\x00 \x006"))
	f.Add([]byte("\xff\xfet"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := machine.ParseNetsh(strings.NewReader(string(text)))
		if err != nil {
			require.ErrorIs(t, err, reservation.ErrInvalid)
			require.Nil(t, rows)
			return
		}
		var written strings.Builder
		written.WriteString("Protocol tcp Port Exclusion Ranges\n")
		for _, r := range rows {
			asterisk := " "
			if r.Administered {
				asterisk = "*"
			}
			fmt.Fprintf(&written, "Protocol %s\n%10d%12d     %s\n", r.Protocol, r.Range.First(), r.Range.Last(), asterisk)
		}
		again, err := machine.ParseNetsh(strings.NewReader(written.String()))
		require.NoError(t, err)
		require.Equal(t, rows, again)
	})
}

func TestImport(t *testing.T) {
	m := machinetest.New(t)
	require.NoError(t, m.Import(captured))
	require.Equal(t, captured, append(rows(t, m, machine.TCP), rows(t, m, machine.UDP)...))

	p := m.Process("alice", machine.Plain)
	_, err := newHandle(t, p, machine.TCP).bind(80)
	require.ErrorIs(t, err, reservation.ErrDenied, "http.sys has it")
	_, err = newHandle(t, p, machine.TCP).bind(50000)
	require.NoError(t, err, "an administered row lets binds through")
	_, err = newHandle(t, p, machine.TCP).bind(49700)
	require.ErrorIs(t, err, reservation.ErrDenied, "WinNAT has it")

	require.NoError(t, m.Reboot())
	after := rows(t, m, machine.TCP)
	require.Len(t, after, 6)
	for _, stays := range []machine.Row{captured[0], captured[1], captured[3]} {
		require.Contains(t, after, stays)
	}
	require.NotContains(t, after, captured[2], "what Windows had placed has moved")
	require.Equal(t, after, rows(t, m, machine.TCP))

	require.NoError(t, m.Import([]machine.Row{row(machine.UDP, "9", false)}), "more can come")
	require.NoError(t, m.Import(nil))
}

func TestImportIsAllOrNothing(t *testing.T) {
	for name, bad := range map[string][]machine.Row{
		"overlap of exclusions": {row(machine.TCP, "5-9", true), row(machine.TCP, "9", true)},
		"overlap of both":       {row(machine.TCP, "5-9", true), row(machine.TCP, "9", false)},
		"overlap of holds":      {row(machine.TCP, "5-9", false), row(machine.UDP, "5", true), row(machine.TCP, "9", false)},
		"no range":              {row(machine.TCP, "5-9", true), {Protocol: machine.TCP}},
		"no range, no asterisk": {row(machine.TCP, "5-9", true), {Protocol: machine.TCP, Administered: true}},
		"no protocol":           {row(machine.TCP, "5-9", true), {Range: pool.MustParseRange("7")}},
	} {
		t.Run(name, func(t *testing.T) {
			m := machinetest.New(t)
			before := dump(t, m)
			require.Error(t, m.Import(bad))
			require.Equal(t, before, dump(t, m))
		})
	}
}

func rows(t testing.TB, m *machine.Machine, protocol machine.Protocol) []machine.Row {
	t.Helper()
	all, err := m.Rows(protocol)
	require.NoError(t, err)
	return all
}

func TestRows(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		m := machinetest.NewFrom(t, machine.Config{Netsh: machine.NetshPolicy{HidePersistent: hidden}})
		p := m.Process("alice", machine.Elevated)
		defer p.Exit()
		_, err := p.CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("30000-30009"), "")
		require.NoError(t, err)
		newHandle(t, p, machine.UDP).acquire(20000, 1)
		require.NoError(t, p.AddExclusion(t.Context(), machine.UDP, pool.MustParseRange("25000-25009"), reservation.PersistentStore))
		want := []machine.Row{row(machine.UDP, "20000", false), row(machine.UDP, "25000-25009", true)}
		if !hidden {
			want = append(want, row(machine.UDP, "30000-30009", false))
		}
		require.Equal(t, want, rows(t, m, machine.UDP))
		require.Empty(t, rows(t, m, machine.TCP))
		_, err = m.Rows(0)
		require.ErrorIs(t, err, reservation.ErrInvalid)
	}
}
