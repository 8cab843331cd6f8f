package scenario

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPromptPlaysLinesOfAPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "session.txt")
	in := strings.NewReader(`start a elevated
a: CreatePersistentUdpPortReservation htons(50000) 10 &t
fly
"
# a remark
list udp -> nothing
help bind
help fly
save ` + file + `
save ` + file + `
save
quit
reboot
`)
	var out bytes.Buffer
	require.NoError(t, (&Prompt{In: in, Out: &out}).Run(t.Context()))
	_, exists := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	require.Error(t, exists)
	require.Equal(t, `start a elevated
a: CreatePersistentUdpPortReservation htons(50000) 10 &t -> NO_ERROR (0)
there is no command "fly"
a quoted word does not end, or has a bad escape
# a remark
list udp -> persistent 50000-50009
prompt:0: list udp
  want -> nothing
  got  -> persistent 50000-50009
PROCESS: bind SOCKET ADDRESS:PORT
  give a socket its address
there is no command "fly"
`+exists.Error()+`
usage: save FILE
`, out.String())

	saved, err := os.ReadFile(file)
	require.NoError(t, err)
	_, err = play(t, string(saved))
	require.NoError(t, err, "what was saved is a scenario")
}

func TestPromptHelpListsEveryCommand(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, (&Prompt{In: strings.NewReader("help"), Out: &out}).Run(t.Context()))
	for _, c := range commands() {
		require.Contains(t, "\n"+out.String(), "\n"+c.name+" ")
	}
}

func TestPromptEndsWithItsContext(t *testing.T) {
	in, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, (&Prompt{In: in, Out: io.Discard}).Run(ctx), context.Canceled)
}

func TestPromptTellsWhatReadingReturns(t *testing.T) {
	in, writer := io.Pipe()
	broken := errors.New("the line is cut")
	require.NoError(t, writer.CloseWithError(broken))
	require.ErrorIs(t, (&Prompt{In: in, Out: io.Discard}).Run(t.Context()), broken)
}

// keys is a terminal: what is typed, and what it shows.
type keys struct {
	io.Reader
	io.Writer
}

func TestEditing(t *testing.T) {
	const up = "\x1b[A"
	typed := strings.NewReader("sta\tadmin el\t\radm\tCr\tUdp\thtons(50000) 10 &tok\r" + up + "\r" + "occ\t\t\r\x04")
	var shown bytes.Buffer
	session := &session{player: NewPlayer(readFile)}
	defer session.player.Close()
	next := session.edit(keys{typed, &shown}, func() (int, int, error) { return 120, 40, nil })
	var lines []string
	for {
		line, err := next()
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		lines = append(lines, line)
		session.play(line)
	}
	require.Equal(t, []string{
		"start admin elevated ",
		"admin: CreatePersistentUdpPortReservation htons(50000) 10 &tok",
		"admin: CreatePersistentUdpPortReservation htons(50000) 10 &tok",
		"occupy ",
	}, lines)
	require.Contains(t, shown.String(), "-> NO_ERROR (0)\r\n")
	require.Contains(t, shown.String(), "-> ERROR_SHARING_VIOLATION (32)\r\n")
	require.Contains(t, shown.String(), "tcp  udp\r\n", "the choices of an argument")
}

func TestComplete(t *testing.T) {
	player := NewPlayer(readFile)
	defer player.Close()
	for _, line := range []string{"start admin elevated", "admin: sock1 = socket 2 2 17", "admin: sock2 = socket 2 2 17"} {
		step, err := ParseStep(line)
		require.NoError(t, err)
		_, err = player.Do(&step)
		require.NoError(t, err)
	}
	for _, c := range []struct{ line, completed, choices string }{
		{"reb", "reboot ", ""},
		{"po", "powercut ", ""},
		{"adm", "admin: ", ""},
		{"a", "ad", ""},
		{"ad", "ad", "admin: advance"},
		{"se", "service ", ""},
		{"nothing", "nothing", ""},
		{"start game pl", "start game plain ", ""},
		{"admin: WSAI", "admin: WSAIoctl ", ""},
		{"admin: wsai", "admin: WSAIoctl ", ""},
		{"admin: lookup", "admin: LookupPersistent", ""},
		{"admin: s = Dup", "admin: s = DuplicateHandle ", ""},
		{"admin: bind so", "admin: bind so", "SO_ACCEPTCONN SO_BROADCAST SO_EXCLUSIVEADDRUSE SO_PORT_SCALABILITY SO_RANDOMIZE_PORT SO_REUSEADDR SO_REUSE_UNICASTPORT SO_TYPE SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET SOMAXCONN sock1 sock2"},
		{"admin: bind sock", "admin: bind sock", "SOCK_DGRAM SOCK_RAW SOCK_STREAM sock1 sock2"},
		{"admin: WSAIoctl s SIO_A", "admin: WSAIoctl s SIO_A", "SIO_ACQUIRE_PORT_RESERVATION SIO_ASSOCIATE_PORT_RESERVATION"},
		{"admin: WSAIoctl s SIO_ACQUIRE_PORT_RESERVATION {ht", "admin: WSAIoctl s SIO_ACQUIRE_PORT_RESERVATION {htons(", ""},
		{"admin: netsh in", "admin: netsh interface ", ""},
		{"machine Bi", "machine Bind", ""},
		{"help reb", "help reboot ", ""},
		{"list u", "list udp ", ""},
		{"", "", strings.Join(player.candidates("", nil), " ")},
	} {
		completed, cursor, choices := player.complete(c.line, len(c.line), nil)
		require.Equal(t, c.completed, completed, c.line)
		require.Equal(t, len(completed), cursor)
		require.ElementsMatch(t, strings.Fields(c.choices), choices, c.line)
	}
	completed, cursor, _ := player.complete("reb now", 3, nil)
	require.Equal(t, "reboot now", completed)
	require.Equal(t, 6, cursor)
}

// FuzzComplete completes at every place of every line: the text behind the cursor stays, nothing
// panics.
func FuzzComplete(f *testing.F) {
	f.Add("admin: WSAIoctl s SIO_", 22)
	f.Add("é x", 1)
	f.Fuzz(func(t *testing.T, line string, cursor int) {
		if cursor < 0 || cursor > len(line) {
			return
		}
		completed, position, _ := NewPlayer(readFile).complete(line, cursor, []string{"quit"})
		require.Equal(t, line[cursor:], completed[position:])
	})
}
