package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// tenPorts are the ports of a program in these tests.
var tenPorts = ranges{reservation.UDP: pool.MustParseRange("40000-40009")}

func TestTemplates(t *testing.T) {
	for _, c := range []struct{ argument, want string }{
		{"", ""},
		{"plain", "plain"},
		{"{udp}", "40000-40009"},
		{"--ports={udp.first}-{udp.last}", "--ports=40000-40009"},
		{"{udp.count}", "10"},
		{"{udp.0},{udp.9}", "40000,40009"},
		{"{{udp.first}}", "{40000}"},
		{`{"port": {udp.first}, "udp": {}}`, `{"port": 40000, "udp": {}}`},
		{"{udpx} {udp {UDP} {x.udp} {} ${udp_} }{", "{udpx} {udp {UDP} {x.udp} {} ${udp_} }{"},
	} {
		got, err := expand(c.argument, tenPorts)
		require.NoError(t, err, c.argument)
		require.Equal(t, c.want, got, c.argument)
	}
	one, err := expand("{tcp} {tcp.first} {tcp.last} {tcp.count} {tcp.0}", ranges{reservation.TCP: pool.RangeOf(65535)})
	require.NoError(t, err)
	require.Equal(t, "65535 65535 65535 1 65535", one)
}

func TestTemplatesThatNameNothing(t *testing.T) {
	for argument, want := range map[string]string{
		"{udp.firts}":                   "{udp.firts} in an argument means nothing",
		"{udp.}":                        "{udp.} in an argument means nothing",
		"{udp.-1}":                      "{udp.-1} in an argument means nothing",
		"{udp.+1}":                      "{udp.+1} in an argument means nothing",
		"{udp.01}":                      "{udp.01} in an argument means nothing",
		"{udp.99999999999999999999}":    "{udp.99999999999999999999} in an argument means nothing",
		"{udp.10}":                      "{udp.10} in an argument is behind the last of 10 ports",
		"{tcp}":                         "{tcp} stands in an argument, and the program has no tcp ports",
		"{udp.0} {tcp.first} {udp.bad}": "{tcp.first} stands in an argument, and the program has no tcp ports",
	} {
		_, err := expand(argument, tenPorts)
		require.ErrorIs(t, err, errUsage, argument)
		require.EqualError(t, err, want)
	}
}

// expandSlowly does what expand does, word by word: it tries every template that there is.
func expandSlowly(argument string, ports reservation.Range) string {
	replacements := []string{"{udp}", ports.String()}
	for _, known := range portNames {
		replacements = append(replacements, "{udp."+known.name+"}", known.value(ports))
	}
	for index := range ports.Count() {
		port := pool.RangeOf(ports.First() + uint16(index))
		replacements = append(replacements, fmt.Sprintf("{udp.%d}", index), port.String())
	}
	return strings.NewReplacer(replacements...).Replace(argument)
}

func FuzzTemplates(f *testing.F) {
	for _, seed := range []string{"{udp}", "{{udp.first}}{udp.last}", "{udp.3}{tcp}", "{udp.", "}{", "{udp.{udp}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, argument string) {
		got, err := expand(argument, tenPorts)
		if err != nil {
			require.ErrorIs(t, err, errUsage)
			return
		}
		require.Equal(t, expandSlowly(argument, tenPorts[reservation.UDP]), got)
	})
}

func TestEnvironmentTellsThePorts(t *testing.T) {
	inherited := []string{"A=1", "BERTH_TCP=7", "BERTH_TCP_FIRST=7", "BERTH_UDP_LAST=7", "BERTH_STORE=kept", "BERTH_UDPX=kept"}
	require.Equal(t, []string{
		"A=1", "BERTH_STORE=kept", "BERTH_UDPX=kept",
		"BERTH_UDP=40000-40009", "BERTH_UDP_FIRST=40000", "BERTH_UDP_LAST=40009", "BERTH_UDP_COUNT=10",
	}, withPorts(inherited, tenPorts))
}
