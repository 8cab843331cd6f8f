package netsh

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

const (
	active     = reservation.ActiveStore
	persistent = reservation.PersistentStore
)

// want returns the command that a line should be.
func want(name string, protocol pool.Protocol, first, count uint16, store reservation.ExclusionStore) *command {
	verb, object, _ := strings.Cut(name, " ")
	return &command{action: findAction(verb, object), protocol: protocol, first: first, count: count, store: store}
}

// Spellings that were seen in the wild, and what they have in common with them.
func TestSpellings(t *testing.T) {
	const add, remove = "add excludedportrange", "delete excludedportrange"
	const excluded, dynamic, set = "show excludedportrange", "show dynamicportrange", "set dynamicportrange"
	for line, wanted := range map[string]*command{
		// Microsoft's pages and help texts.
		"interface ipv4 add excludedportrange protocol=tcp startport=50000 numberofports=20":                    want(add, pool.TCP, 50000, 20, persistent),
		"int ipv4 Add excludedportrange protocol = tcp startport = 50000 numberofports = 20 store = persistent": want(add, pool.TCP, 50000, 20, persistent),
		"interface ipv6 delete excludedportrange protocol=udp startport=50000 numberofports=20 store=active":    want(remove, pool.UDP, 50000, 20, active),
		"int ipv4 show dynamicport tcp":                     want(dynamic, pool.TCP, 0, 0, active),
		"int ipv6 show dynamicport udp":                     want(dynamic, pool.UDP, 0, 0, active),
		"int ipv4 set dynamic tcp start=49152 num=16384":    want(set, pool.TCP, 49152, 16384, persistent),
		"int ipv4 set dynamicport tcp start=10000 num=1000": want(set, pool.TCP, 10000, 1000, persistent),
		"interface ipv4 set dynamicportrange protocol=tcp startport=6005 numberofports=59530 store=persistent": want(set, pool.TCP, 6005, 59530, persistent),
		"interface ipv4 show excludedportrange protocol=tcp":                                                   want(excluded, pool.TCP, 0, 0, active),
		"interface ipv4 show excludedportrange protocol=tcp store=persistent":                                  want(excluded, pool.TCP, 0, 0, persistent),
		// Scripts and forums.
		"int ip show excludedportrange tcp":                 want(excluded, pool.TCP, 0, 0, active),
		"int ipv4 sh ex udp":                                want(excluded, pool.UDP, 0, 0, active),
		"int ipv4 del ex tcp 40000 11":                      want(remove, pool.TCP, 40000, 11, persistent),
		"interface ipv4 add excludedportrange udp 52311 1":  want(add, pool.UDP, 52311, 1, persistent),
		"int ipv4 add excludedportrange tcp 5000 10 active": want(add, pool.TCP, 5000, 10, active),
		// Case, blanks, order.
		"INT IPV4 ADD EXCLUDEDPORTRANGE PROTOCOL=UDP STARTPORT=1 NUMBEROFPORTS=65535 STORE=ACTIVE": want(add, pool.UDP, 1, 65535, active),
		"in ipv4 a e p =udp st= 7 nu = 9 sto =per":                                                 nil, // st is startport or store
		"in ipv4 a e p =udp sta= 7 nu = 9 sto =per":                                                want(add, pool.UDP, 7, 9, persistent),
		"in ipv6 se dy u 1025 255":                                                                 want(set, pool.UDP, 1025, 255, persistent),
		"int ipv4 add ex num=9 start=7 udp":                                                        want(add, pool.UDP, 7, 9, persistent),
		"int ipv4 add ex store=active udp 7 9":                                                     want(add, pool.UDP, 7, 9, active),
		"int ipv4 add ex start=7 udp 9":                                                            want(add, pool.UDP, 7, 9, persistent),
		"int ipv4 add ex udp 007 0":                                                                want(add, pool.UDP, 7, 0, persistent),
		"int ipv4 sh ex store=persistent tcp":                                                      want(excluded, pool.TCP, 0, 0, persistent),
		"int ipv4 sh ex tcp p":                                                                     want(excluded, pool.TCP, 0, 0, persistent),
	} {
		c, err := parse(strings.Fields(line))
		if wanted == nil {
			require.NotNil(t, err, line)
			continue
		}
		require.Nil(t, err, line)
		require.Equal(t, wanted, c, line)
	}
	c, err := parse([]string{"int", "ipv4", "add", "ex", "protocol = tcp", " startport= 5 ", "numberofports =6"})
	require.Nil(t, err, "a shell may keep blanks in an argument")
	require.Equal(t, want(add, pool.TCP, 5, 6, persistent), c)
}

// What netsh cannot understand: the first line that it prints, and why.
func TestMistakes(t *testing.T) {
	const early = ""
	notFound := func(line string) string { return "The following command was not found: " + line + "." }
	for line, wanted := range map[string]struct{ said, reason string }{
		"":                                           {early, "next comes interface"},
		"int":                                        {early, "next comes ipv4 or ipv6"},
		"int ip":                                     {early, "next comes add, delete, set or show"},
		"int ipv4 add":                               {early, "next comes excludedportrange"},
		"int ipv4 show":                              {early, "next comes dynamicportrange or excludedportrange"},
		"int ipv4 get dynamicport tcp":               {notFound("int ipv4 get dynamicport tcp"), `"get" is not known here; want add, delete, set or show`},
		"i ipv4 sh ex tcp":                           {notFound("i ipv4 sh ex tcp"), `"i" is ambiguous: it could be interface or ipsec`},
		"h":                                          {notFound("h"), `it could be help or http`},
		"wlan show interface":                        {notFound("wlan show interface"), `"wlan" is a command of Windows that berth does not have; it has interface`},
		"int ipv sh ex tcp":                          {notFound("int ipv sh ex tcp"), "it could be ipv4 or ipv6"},
		"int i sh ex tcp":                            {notFound("int i sh ex tcp"), "it could be ipv4, ipv6 or isatap"},
		"int tcp sh global":                          {notFound("int tcp sh global"), "it has ipv4 or ipv6"},
		"int ipv4 d ex tcp 1 1":                      {notFound("int ipv4 d ex tcp 1 1"), "it could be delete or dump"},
		"int ipv4 s ex tcp":                          {notFound("int ipv4 s ex tcp"), "it could be set or show"},
		"int ipv4 sh d tcp":                          {notFound("int ipv4 sh d tcp"), "it could be destinationcache, dnsservers or dynamicportrange"},
		"int ipv4 sh route":                          {notFound("int ipv4 sh route"), `"route" is a command of Windows`},
		"int ipv4 set ex tcp 1 1":                    {notFound("int ipv4 set ex tcp 1 1"), `"ex" is not known here; want dynamicportrange`},
		"int ipv4 sh excludedportranges tcp":         {notFound("int ipv4 sh excludedportranges tcp"), "is not known here"},
		"int ipv4 add ex":                            {"One or more essential parameters were not entered.", "needs protocol"},
		"int ipv4 add ex tcp":                        {"One or more essential parameters were not entered.", "needs startport"},
		"int ipv4 add ex tcp 5":                      {"One or more essential parameters were not entered.", "needs numberofports"},
		"int ipv4 add ex tcp num=5":                  {"One or more essential parameters were not entered.", "needs startport"},
		"int ipv4 sh ex":                             {"One or more essential parameters were not entered.", "needs protocol"},
		"int ipv4 add ex tcp 5 6 active x":           {"'x' is not a valid argument for this command.", "one argument too many"},
		"int ipv4 sh ex tcp active x":                {"'x' is not a valid argument for this command.", "one argument too many"},
		"int ipv4 sh ex tcp start=5":                 {"'start' is not a valid argument for this command.", `no tag "start"; it has protocol or store`},
		"int ipv4 add ex tcp s=5 num=6":              {"'s' is not a valid argument for this command.", "ambiguous: it could be startport or store"},
		"int ipv4 add ex tcp =5 num=6":               {"'tcp' is not a valid argument for this command.", `no tag "tcp"`},
		"int ipv4 add ex =":                          {"'' is not a valid argument for this command.", `no tag ""`},
		"int ipv4 add ex p=tcp p=udp 5 6":            {"'p' is not a valid argument for this command.", "protocol is given twice"},
		"int ipv4 add ex sctp 5 6":                   {"sctp is not a valid value for protocol.", `"sctp" is no protocol; want tcp or udp`},
		"int ipv4 sh ex tcp boot":                    {"boot is not a valid value for store.", "want active or persistent"},
		"int ipv4 sh ex tcp store=":                  {" is not a valid value for store.", `"" is no store`},
		"int ipv4 sh ex protocol= store=active":      {"store=active is not a valid value for protocol.", "is no protocol"},
		"int ipv4 add ex tcp 65536 1":                {"65536 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp 1 65536":                {"65536 is not a valid value for numberofports.", "want 1 to 65535"},
		"int ipv4 add ex tcp -1 1":                   {"-1 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp +1 1":                   {"+1 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp 0x10 1":                 {"0x10 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp 5-9 1":                  {"5-9 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp 1.5 1":                  {"1.5 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp start==5 1":             {"=5 is not a valid value for startport.", "want 1 to 65535"},
		"int ipv4 add ex tcp 99999999999999999999 1": {"99999999999999999999 is not a valid value for startport.", "want 1 to 65535"},
	} {
		c, err := parse(strings.Fields(line))
		require.NotNil(t, err, line)
		if c != nil {
			require.Equal(t, &command{}, c, line)
		}
		require.ErrorIs(t, err, reservation.ErrInvalid)
		require.ErrorContains(t, err, wanted.reason, line)
		first, rest, _ := strings.Cut(err.said, "\n")
		require.Equal(t, wanted.said, first, line)
		switch {
		case wanted.said == early:
			require.Contains(t, rest, "Commands:", line)
		case strings.HasPrefix(first, "The following command"):
			require.Empty(t, rest, line)
		default:
			require.Contains(t, rest, "The syntax supplied for this command is not valid. Check help for the correct syntax.\n\nUsage: ", line)
		}
	}
}

func TestMistakesDoNotSteerTheTerminal(t *testing.T) {
	for _, args := range [][]string{
		{"\x1b[31m"}, {"a\nb", "\xff"}, {"int", "ipv4", "sh", "ex", "\x1b]0;title\a"}, {"int", "ipv4", "sh", "ex", "tcp", "\x07=5"}, {""},
	} {
		_, err := parse(args)
		require.NotNil(t, err)
		require.Equal(t, err.said, strings.Map(func(c rune) rune {
			if c < ' ' && c != '\n' || c == 0x7f {
				return -1
			}
			return c
		}, err.said))
	}
}

func TestQuestions(t *testing.T) {
	for line, wanted := range map[string]string{
		"?":                              "dynamicportrange",
		"help":                           "interface ipv4 and interface ipv6",
		"hel":                            "interface ipv4 and interface ipv6",
		"/?":                             "add excludedportrange",
		"-?":                             "add excludedportrange",
		"int ?":                          "add excludedportrange",
		"int ipv4 help":                  "delete excludedportrange",
		"int ipv4 ?":                     "set dynamicportrange",
		"int ip show ?":                  "show excludedportrange",
		"int ip add ex ?":                "Usage: add excludedportrange",
		"int ip sh dyn tcp ?":            "Usage: show dynamicportrange",
		"int ip set dyn bad=1 tcp 1 /?":  "Usage: set dynamicportrange",
		"int ip del ex tcp 1 1 active ?": "Usage: delete excludedportrange",
	} {
		c, err := parse(strings.Fields(line))
		require.Nil(t, err, line)
		require.Contains(t, c.help, wanted, line)
		require.Nil(t, c.action, line)
		for text := range strings.Lines(c.help) {
			require.LessOrEqual(t, len(text), 100)
		}
	}
	c, _ := parse(strings.Fields("int ip show ?"))
	require.NotContains(t, c.help, "add excludedportrange", "only what begins like the command line")
}

// However a command is abbreviated, ordered and spaced, it is the same command.
func TestEverySpellingMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(actions).Draw(t, "action")
		c := &command{
			action:   a,
			protocol: rapid.SampledFrom([]pool.Protocol{pool.TCP, pool.UDP}).Draw(t, "protocol"),
			store:    rapid.SampledFrom([]reservation.ExclusionStore{active, persistent}).Draw(t, "store"),
		}
		if a.takesPorts {
			c.first, c.count = rapid.Uint16().Draw(t, "first"), rapid.Uint16().Draw(t, "count")
		}
		got, err := parse(spell(t, c))
		require.Nil(t, err)
		require.Equal(t, c, got)
	})
}

// The shortest abbreviations that are unambiguous, by the tables of vocabulary.go looked at by eye.
var shortest = map[string]int{
	wordInterface: 2, verbAdd: 1, verbDelete: 2, verbSet: 2, verbShow: 2, objectExcluded: 1, objectDynamic: 2,
	tagProtocol: 1, tagFirst: 3, tagCount: 1, tagStore: 3, "ipv4": 4, "ipv6": 4, "tcp": 1, "udp": 1, "active": 1, "persistent": 1,
}

func spell(t *rapid.T, c *command) []string {
	word := func(full string) string {
		text := full[:rapid.IntRange(shortest[full], len(full)).Draw(t, full)]
		if rapid.Bool().Draw(t, "capitals") {
			text = strings.ToUpper(text)
		}
		return text
	}
	args := []string{
		word(wordInterface), rapid.SampledFrom([]string{"ipv4", "ipv6", "ip", "IP"}).Draw(t, "family"),
		word(c.action.verb), word(c.action.object),
	}
	values := map[string]string{
		tagProtocol: word(c.protocol.String()), tagStore: word(c.store.String()),
		tagFirst: number(t, c.first), tagCount: number(t, c.count),
	}
	var untagged []string
	var tagged [][]string
	for _, tag := range c.action.tags() {
		if rapid.Bool().Draw(t, "tagged") {
			name := word(tag)
			spellings := [][]string{{name + "=" + values[tag]}, {name, "=", values[tag]}, {name + "=", values[tag]}, {name, "=" + values[tag]}}
			tagged = append(tagged, rapid.SampledFrom(spellings).Draw(t, "blanks"))
			continue
		}
		untagged = append(untagged, values[tag])
	}
	tagged = rapid.Permutation(tagged).Draw(t, "order")
	for len(untagged)+len(tagged) > 0 {
		if len(tagged) == 0 || len(untagged) > 0 && rapid.Bool().Draw(t, "untagged next") {
			args, untagged = append(args, untagged[0]), untagged[1:]
			continue
		}
		args, tagged = append(args, tagged[0]...), tagged[1:]
	}
	return args
}

func number(t *rapid.T, n uint16) string {
	return strings.Repeat("0", rapid.IntRange(0, 3).Draw(t, "zeros")) + strconv.Itoa(int(n))
}
