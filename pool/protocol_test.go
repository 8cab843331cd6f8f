package pool

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseProtocol(t *testing.T) {
	for in, want := range map[string]Protocol{"udp": UDP, "tcp": TCP, "UDP": UDP, "Tcp": TCP} {
		got, err := ParseProtocol(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", "sctp", "udp ", "17", "udp\x00", strings.Repeat("u", 1<<16)} {
		got, err := ParseProtocol(in)
		requireInvalid(t, err, "protocol", in)
		require.ErrorContains(t, err, "want udp or tcp")
		require.Less(t, len(err.Error()), 200, "nobody reads that")
		require.Zero(t, got)
	}
}

func TestProtocolText(t *testing.T) {
	require.Equal(t, [2]Protocol{TCP, UDP}, Protocols())
	require.Equal(t, "tcp", TCP.String())
	require.Equal(t, "udp", UDP.String())
	require.Equal(t, "protocol(132)", Protocol(132).String())
	require.False(t, Protocol(0).IsValid())
	for number := range 256 {
		protocol := Protocol(number)
		text, err := protocol.MarshalText()
		require.Equal(t, protocol.IsValid(), err == nil)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			continue
		}
		var again Protocol
		require.NoError(t, again.UnmarshalText(text))
		require.Equal(t, protocol, again)
	}
	kept := UDP
	require.ErrorIs(t, kept.UnmarshalText([]byte("sctp")), ErrInvalid)
	require.Equal(t, UDP, kept, "an error changes nothing")
}

func FuzzParseProtocol(f *testing.F) {
	for _, s := range []string{"udp", "TCP", "sctp", "", "17"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		protocol, err := ParseProtocol(s)
		if err != nil {
			requireInvalid(t, err, "protocol", s)
			require.Zero(t, protocol)
			return
		}
		require.True(t, protocol.IsValid())
		require.True(t, strings.EqualFold(s, protocol.String()))
	})
}
