package scenario

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the top of the checkout as seen from this folder.
const root = "../../../.."

// scenarios returns the files of testdata/scenarios by their paths below it.
func scenarios(t testing.TB) map[string][]byte {
	t.Helper()
	top := filepath.Join(root, "testdata", "scenarios")
	files := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(top, path) // a path below top has one
		files[filepath.ToSlash(relative)] = text
		return err
	}))
	require.NotEmpty(t, files)
	return files
}

func TestScenarios(t *testing.T) {
	for name, text := range scenarios(t) {
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			t.Parallel()
			s, err := Parse("testdata/scenarios/"+name, text)
			require.NoError(t, err)
			actions := 0
			err = s.Play(context.Background(), func(_ *Step, result *Result) {
				if result != nil {
					actions++
				}
			})
			require.NoError(t, err)
			require.NotZero(t, actions)
		})
	}
}

// TestEveryRuleHasItsScenario holds testdata/scenarios/rules against docs/semantics.md: each row of its
// tables has a file of its ID, and each file is about a rule, or an open question, that stands there.
func TestEveryRuleHasItsScenario(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "semantics.md"))
	require.NoError(t, err)
	files := scenarios(t)
	rows := regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		assert.Contains(t, files, "rules/"+row[1]+".txt", "rule %s of docs/semantics.md has no scenario", row[1])
	}
	for name, scenario := range files {
		file, isRule := strings.CutPrefix(name, "rules/")
		if !isRule {
			continue
		}
		id := strings.TrimSuffix(file, ".txt")
		assert.Regexp(t, `\b`+id+`\b`, string(text), "%s is about no rule of docs/semantics.md", name)
		assert.True(t, bytes.HasPrefix(scenario, []byte("# "+id+". ")), "%s does not begin with its rule", name)
	}
}

// TestEveryClientAndSampleHasItsScenario counts the programs that are known to reserve ports on
// Windows, and Microsoft's samples. Number 11 was struck off the list.
func TestEveryClientAndSampleHasItsScenario(t *testing.T) {
	var names []string
	for name := range scenarios(t) {
		names = append(names, name)
	}
	for _, number := range []string{
		"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "12", "13", "14", "15", "16", "17", "18",
	} {
		is := func(name string) bool { return strings.HasPrefix(name, "clients/R"+number+"-") }
		assert.True(t, slices.ContainsFunc(names, is), "client R%s", number)
	}
	for _, sample := range []string{
		"create-persistent-tcp", "delete-persistent-tcp", "lookup-persistent-tcp", "acquire", "release",
	} {
		assert.Contains(t, names, "samples/"+sample+".txt")
	}
}

// play plays steps and returns the error and the transcript.
func play(t *testing.T, text string) (string, error) {
	t.Helper()
	s, err := Parse("test.txt", []byte(text))
	require.NoError(t, err)
	var transcript bytes.Buffer
	sheet := Transcript{Writer: &transcript}
	err = s.Play(context.Background(), sheet.Step)
	return transcript.String(), err
}

func TestTranscriptIsAScenario(t *testing.T) {
	const text = `# A remark.

start admin elevated
admin: CreatePersistentUdpPortReservation htons(50000) 10 &t  -> NO_ERROR (0)
admin: s = socket AF_INET SOCK_DGRAM IPPROTO_UDP
admin: bind s 0.0.0.0:50003                                   -> WSAEACCES (10013)
admin: bind s 127.0.0.1:50010
admin: sendto s "two  blanks # and \" no remark" 127.0.0.1:50010 -> 29 bytes
admin: recvfrom s
admin: netsh interface ipv4 add excludedportrange tcp 50000 1
list udp
`
	transcript, err := play(t, text)
	require.NoError(t, err)
	require.Equal(t, `# A remark.

start admin elevated
admin: CreatePersistentUdpPortReservation htons(50000) 10 &t  -> NO_ERROR (0)
admin: s = socket AF_INET SOCK_DGRAM IPPROTO_UDP
admin: bind s 0.0.0.0:50003                                   -> WSAEACCES (10013)   # bind udp 50003: denied: udp 50000-50009 is held by a persistent reservation since 2020-01-01T00:00:00Z
admin: bind s 127.0.0.1:50010
admin: sendto s "two  blanks # and \" no remark" 127.0.0.1:50010 -> 29 bytes
admin: recvfrom s -> "two  blanks # and \" no remark" from 127.0.0.1:50010
admin: netsh interface ipv4 add excludedportrange tcp 50000 1 -> exit 0
| Ok.
|
list udp -> persistent 50000-50009
`, transcript)
	again, err := play(t, transcript)
	require.NoError(t, err)
	require.Equal(t, transcript, again)
}

func TestMismatchesAreReadable(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"start game\ngame: s = socket 2 2 17\ngame: bind s 0.0.0.0:0 -> 10048", `test.txt:3: game: bind s 0.0.0.0:0
  want -> 10048
  got  -> ok`},
		{"occupy udp 50000\noccupy udp 50000", `test.txt:2: occupy udp 50000
  want -> ok
  got  -> in use   # occupy udp port 50000: bind udp 50000: in use: a socket is bound to [::]:50000: port 50000 is bound by other.exe (pid 1000)`},
		{"dump\n| machine seed 1, boot 1, 2020-01-01T00:00:00Z\n| dynamic udp 1025-2000\n| dynamic udp …", `test.txt:1: dump
    | machine seed 1, boot 1, 2020-01-01T00:00:00Z
  - | dynamic udp 1025-2000
  + | dynamic tcp 49152-65535
    | dynamic udp 49152-65535`},
	} {
		_, err := play(t, c.text)
		require.Error(t, err)
		require.IsType(t, &Mismatch{}, err)
		require.Equal(t, c.want, err.Error())
	}
}

func TestOutcomesCanBeWrittenInSeveralWays(t *testing.T) {
	for _, outcome := range []string{
		"0", "NO_ERROR", "ERROR_SUCCESS", "NO_ERROR (0)", "ok", "…", "NO_ERROR (0) # remark",
	} {
		_, err := play(t, "start a elevated\na: CreatePersistentTcpPortReservation htons(80) 1 &t -> "+outcome)
		require.NoError(t, err, outcome)
	}
	for _, outcome := range []string{"5", "ERROR_ACCESS_DENIED", "ERROR_ACCESS_DENIED (5)", "ERROR_… (5)"} {
		_, err := play(t, "start a\na: CreatePersistentTcpPortReservation htons(80) 1 &t -> "+outcome)
		require.NoError(t, err, outcome)
	}
	for _, outcome := range []string{"1", "NO_ERROR", "ok", "WSAEACCES", "ERROR_ACCESS_DENIED (6)"} {
		_, err := play(t, "start a\na: CreatePersistentTcpPortReservation htons(80) 1 &t -> "+outcome)
		require.Error(t, err, outcome)
	}
}

func TestStepsThatMakeNoSense(t *testing.T) {
	for step, reason := range map[string]string{
		`occupy udp 80 "\x1b[2J"`:             "holds a control character",
		"fly":                                 `there is no command "fly"`,
		"a: wsaioctl s":                       "did you mean WSAIoctl?",
		"bind s 0.0.0.0:1":                    "PROCESS: bind",
		"a: reboot":                           "it happens to the machine",
		"b: exit":                             "no process is called b: start b",
		"start a":                             "a runs already",
		"start b royal":                       "want plain, administrator or elevated",
		"start 1":                             "no name of a process",
		"x = reboot":                          "no value to keep",
		"reboot now":                          "usage: reboot",
		"occupy sctp 1":                       "sctp",
		"occupy udp 65536":                    "no port",
		"steal udp 1 many":                    "number of binds",
		"advance soon":                        "no duration",
		"disk melts":                          "usage: disk",
		"powercut later":                      "usage: powercut",
		"service winnat 60000":                "usage: service",
		"service http x":                      "no number",
		"net use":                             "usage: net",
		"net use winnat":                      "usage: net",
		"dynamic udp 9-1":                     "9-1",
		"list all":                            "all",
		"why udp x":                           "x",
		"import nowhere.txt":                  "the scenario has no file nowhere.txt",
		"compare x y":                         "there is no variable x",
		"machine colour=blue":                 "no setting of a machine",
		"machine seed=x":                      "want a number",
		"machine timewait=-1s":                "want a duration",
		"machine udp=x":                       "x",
		"machine ReleaseBound=perhaps":        "want true or false",
		"machine BindExhausted=tired":         "want a condition",
		"a: socket AF_INET SOCK_DGRAM UDP":    `"UDP" is neither`,
		"a: socket AF_INET SOCK_DGRAM \"17\"": "is no number",
		"a: bind s somewhere":                 "no address with a port",
		"a: closesocket nobody":               `"nobody" is neither`,
		"a: closesocket t":                    "not a number",
		"a: WSAIoctl s 0x1ffffffff NULL":      "does not fit into 32 bits",
		"a: WSAIoctl s 1 hex:f":               "hexadecimal digits",
		"a: WSAIoctl s 1 {1}":                 "want {htons(PORT),COUNT}",
		"a: WSAIoctl s 1 NULL x":              "want & and the name",
		"a: WSAIoctl s 1 NULL &x:many":        "want a size",
		"a: WSAIoctl s 1 r.Colour":            "r has no field Colour",
		"a: DuplicateHandle s nobody":         "no process is called nobody",
		"a: LookupPersistentUdpPortReservation 1 1 t":      "want & and the name",
		"a: LookupPersistentUdpPortReservation 70000 1 &t": "does not fit into 16 bits",
		"a: DeletePersistentUdpPortReservation x 1":        `"x" is neither`,
	} {
		player := NewPlayer((&Scenario{}).file)
		for _, line := range []string{
			"start a", "a: s = socket 2 2 17", "a: t = getsockname s", "a: bind s 127.0.0.1:0", "a: t = getsockname s",
			"a: WSAIoctl s SIO_ACQUIRE_PORT_RESERVATION {htons(1), 1} &r",
		} {
			parsed, err := ParseStep(line)
			require.NoError(t, err)
			_, err = player.Do(&parsed)
			require.NoError(t, err)
		}
		parsed, err := ParseStep(step)
		require.NoError(t, err, step)
		_, err = player.Do(&parsed)
		require.ErrorContains(t, err, reason, step)
		require.NoError(t, player.Close())
	}
}

func TestHandlesBelongToTheirProcess(t *testing.T) {
	_, err := play(t, "start a\nstart b\na: s = socket 2 2 17\nb: closesocket s")
	require.ErrorContains(t, err, "s is a socket of a; a: NAME = DuplicateHandle s b gives b one")
	_, err = play(t, "start a\na: s = socket 2 2 17\nreboot\nstart a\na: closesocket s")
	require.ErrorContains(t, err, "s is a socket of a before it was started again")
}

func TestPlayEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Parse("test.txt", []byte("reboot\nreboot"))
	require.NoError(t, err)
	played := 0
	err = s.Play(ctx, func(*Step, *Result) {
		played++
		cancel()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, played)
}

// TestManualNamesEveryCommand holds docs/scenarios.md against the table of commands.
func TestManualNamesEveryCommand(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "scenarios.md"))
	require.NoError(t, err)
	for _, c := range commands() {
		named := regexp.MustCompile("`[^`\n]*\\b" + c.name + "\\b[^`\n]*`").Match(text)
		assert.True(t, named, "docs/scenarios.md does not name %s", c.name)
	}
	for _, setting := range settingNames()[:5] {
		assert.True(t, strings.Contains(string(text), "`"+setting), "docs/scenarios.md does not name the setting %s", setting)
	}
}
