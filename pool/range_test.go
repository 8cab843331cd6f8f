package pool

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		in, out string
		count   int
	}{
		{"50000-50099", "50000-50099", 100},
		{"50000+100", "50000-50099", 100},
		{"50000", "50000", 1},
		{"50000-50000", "50000", 1},
		{"50000+1", "50000", 1},
		{"1-65535", "1-65535", 65535},
		{"1+65535", "1-65535", 65535},
		{"65535", "65535", 1},
		{"65535+1", "65535", 1},
		{"00080", "80", 1},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			r, err := ParseRange(test.in)
			require.NoError(t, err)
			require.True(t, r.IsValid())
			require.Equal(t, test.count, r.Count())
			require.Equal(t, test.out, r.String())
			require.Equal(t, r, MustParseRange(r.String()), "text round trip")
		})
	}
}

func TestParseRangeRefuses(t *testing.T) {
	tests := []struct{ in, reason string }{
		{"", "is not a port number"},
		{"0", "port 0 cannot be part of a range"},
		{"0-10", "port 0 cannot be part of a range"},
		{"0+10", "port 0 cannot be part of a range"},
		{"10-0", "port 0 cannot be part of a range"},
		{"65530+10", "at most 6 ports fit from 65530 on"},
		{"65536", "above the highest port"},
		{"1-65536", "above the highest port"},
		{"65536-65537", "above the highest port"},
		{"99999999999999999999999", "above the highest port"},
		{"1+99999999999999999999999", "past port 65535"},
		{"50099-50000", "did you mean 50000-50099?"},
		{"50000-50099x", `"50099x" is not a port number`},
		{"x50000", "is not a port number"},
		{"50000+0", "at least 1 port"},
		{"-5", "is not a port number"},
		{"50000-", "is not a port number"},
		{"50000--1", "is not a port number"},
		{"50000+-1", "is not a count of ports"},
		{"50000++1", "is not a count of ports"},
		{"50000+", "is not a count of ports"},
		{"+5", "is not a port number"},
		{"50000-50010+5", "is not a port number"},
		{" 50000", "is not a port number"},
		{"50000 - 50010", "is not a port number"},
		{"5e4", "is not a port number"},
		{"0x10", "is not a port number"},
		{"٥٠", "is not a port number"},
		{"5\x000", "is not a port number"},
		{strings.Repeat("9", 1<<16), "above the highest port"},
	}
	for _, test := range tests {
		t.Run(quote(test.in), func(t *testing.T) {
			r, err := ParseRange(test.in)
			requireInvalid(t, err, "range", test.in)
			require.ErrorContains(t, err, test.reason)
			require.Less(t, len(err.Error()), 300, "nobody reads that")
			require.Zero(t, r)
			require.Panics(t, func() { MustParseRange(test.in) })

			kept := MustParseRange("1-2")
			require.Error(t, kept.UnmarshalText([]byte(test.in)))
			require.Equal(t, MustParseRange("1-2"), kept, "an error changes nothing")
		})
	}
}

// requireInvalid fails unless err is a ParseError that wraps both sentinels.
func requireInvalid(t *testing.T, err error, what, input string) {
	t.Helper()
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorIs(t, err, fs.ErrInvalid)
	var parseError *ParseError
	require.ErrorAs(t, err, &parseError)
	require.Equal(t, what, parseError.What)
	require.Equal(t, input, parseError.Input)
	require.NotEmpty(t, parseError.Reason)
}

func TestRangeFrom(t *testing.T) {
	r, err := RangeFrom(65530, 6)
	require.NoError(t, err)
	require.Equal(t, uint16(65530), r.First())
	require.Equal(t, uint16(65535), r.Last())

	for _, test := range []struct {
		first uint16
		count int
		input string
	}{
		{0, 1, "0+1"}, {1, 0, "1+0"}, {1, -1, "1+-1"}, {1, 65536, "1+65536"}, {65535, 2, "65535+2"},
		{1, math.MaxInt, fmt.Sprintf("1+%d", math.MaxInt)}, {1, math.MinInt, fmt.Sprintf("1+%d", math.MinInt)},
	} {
		r, err := RangeFrom(test.first, test.count)
		requireInvalid(t, err, "range", test.input)
		require.Zero(t, r)
	}
	require.False(t, RangeOf(0).IsValid())
	require.Equal(t, MustParseRange("7"), RangeOf(7))
}

func TestRangeRelations(t *testing.T) {
	tests := []struct {
		a, b      string
		intersect string // empty: none
		covers    bool   // a covers b
		compare   int
	}{
		{"10-20", "10-20", "10-20", true, 0},
		{"10-20", "10-19", "10-19", true, 1},
		{"10-20", "11-20", "11-20", true, -1},
		{"10-20", "20-30", "20", false, -1},
		{"10-20", "21-30", "", false, -1},
		{"10-20", "1-9", "", false, 1},
		{"10-20", "1-10", "10", false, 1},
		{"1-65535", "65535", "65535", true, -1},
		{"1", "65535", "", false, -1},
	}
	for _, test := range tests {
		a, b := MustParseRange(test.a), MustParseRange(test.b)
		var want Range
		if test.intersect != "" {
			want = MustParseRange(test.intersect)
		}
		require.Equal(t, want, a.Intersect(b), "%s %s", a, b)
		require.Equal(t, want, b.Intersect(a), "%s %s", b, a)
		require.Equal(t, want.IsValid(), a.Overlaps(b))
		require.Equal(t, want.IsValid(), b.Overlaps(a))
		require.Equal(t, test.covers, a.Covers(b), "%s %s", a, b)
		require.Equal(t, test.compare, a.Compare(b), "%s %s", a, b)
		require.Equal(t, -test.compare, b.Compare(a), "%s %s", b, a)
	}
}

func TestZeroRangeHoldsNothing(t *testing.T) {
	var zero Range
	require.False(t, zero.IsValid())
	require.Zero(t, zero.Count())
	require.Zero(t, zero.First())
	require.Zero(t, zero.Last())
	require.Equal(t, "invalid", zero.String())
	require.False(t, zero.Contains(0))
	require.False(t, zero.Overlaps(AllPorts))
	require.False(t, AllPorts.Overlaps(zero))
	require.False(t, zero.Overlaps(zero))
	require.False(t, AllPorts.Covers(zero))
	require.False(t, zero.Covers(zero))
	require.Empty(t, slices.Collect(zero.Ports()))
	_, err := zero.MarshalText()
	require.ErrorIs(t, err, ErrInvalid)
}

func TestRangePorts(t *testing.T) {
	require.Equal(t, []uint16{65533, 65534, 65535}, slices.Collect(MustParseRange("65533-65535").Ports()))
	require.Len(t, slices.Collect(AllPorts.Ports()), 65535)
	for port := range AllPorts.Ports() {
		if port == 3 {
			break // must stop there
		}
		require.Less(t, port, uint16(3))
	}
	require.True(t, AllPorts.Contains(1))
	require.True(t, AllPorts.Contains(65535))
	require.False(t, AllPorts.Contains(0))
}

func TestRangeAsJSON(t *testing.T) {
	type message struct {
		Protocol Protocol
		Range    Range
	}
	sent := message{UDP, MustParseRange("50000-50099")}
	data, err := json.Marshal(sent)
	require.NoError(t, err)
	require.JSONEq(t, `{"Protocol":"udp","Range":"50000-50099"}`, string(data))
	var received message
	require.NoError(t, json.Unmarshal(data, &received))
	require.Equal(t, sent, received)

	require.ErrorIs(t, json.Unmarshal([]byte(`{"Range":"0-10"}`), &received), ErrInvalid)
	require.ErrorIs(t, json.Unmarshal([]byte(`{"Protocol":"sctp"}`), &received), ErrInvalid)
	require.Equal(t, sent, received, "an error changes nothing")
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"50000-50099", "50000+100", "50000", "0", "0-10", "65530+10", "50000+-1", "-5", "1-65535"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			requireInvalid(t, err, "range", s)
			require.Zero(t, r)
			return
		}
		require.True(t, r.IsValid())
		require.LessOrEqual(t, r.First(), r.Last())
		text, err := r.MarshalText()
		require.NoError(t, err)
		var again Range
		require.NoError(t, again.UnmarshalText(text))
		require.Equal(t, r, again)
		same, err := RangeFrom(r.First(), r.Count())
		require.NoError(t, err)
		require.Equal(t, r, same)
	})
}
