package iphlpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// A model is the rules of Microsoft's pages, port by port and as slow as they read. It shares no
// code with the engine or the door.
type model map[reservation.Protocol]map[[2]uint16]uint64 // first port and count -> token

func (m model) create(p reservation.Protocol, elevated bool, first, count uint16, hasToken bool) win32.Errno {
	switch {
	case first == 0, count == 0, int(first)+int(count)-1 > 65535, !hasToken:
		return 87
	case !elevated:
		return 5
	}
	for held := range m[p] {
		for port := int(held[0]); port < int(held[0])+int(held[1]); port++ {
			if port >= int(first) && port < int(first)+int(count) {
				return 32
			}
		}
	}
	return 0
}

func (m model) lookup(p reservation.Protocol, first, count uint16, hasToken bool) win32.Errno {
	if first == 0 || count == 0 || int(first)+int(count)-1 > 65535 || !hasToken {
		return 87
	}
	if _, found := m[p][[2]uint16{first, count}]; !found {
		return 1168
	}
	return 0
}

func (m model) delete(p reservation.Protocol, elevated bool, first, count uint16) win32.Errno {
	code := m.lookup(p, first, count, true)
	if code != 87 && !elevated {
		return 5
	}
	return code
}

func TestFunctionsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host, err := reservation.New(t.Context(), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
		require.NoError(t, err)
		defer func() { require.NoError(t, host.Close()) }()
		doors := map[bool]map[reservation.Protocol]functions{}
		for _, elevated := range []bool{true, false} {
			doors[elevated] = functionsOf(iphlpapi.New(host.Process(reservation.Caller{Elevated: elevated})))
		}
		m := model{reservation.TCP: {}, reservation.UDP: {}}

		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			protocol := rapid.SampledFrom([]reservation.Protocol{reservation.TCP, reservation.UDP}).Draw(t, "protocol")
			elevated := rapid.IntRange(0, 9).Draw(t, "privilege") > 0
			// Few ports and sizes, so that blocks meet; any number now and then.
			first := rapid.OneOf(rapid.Uint16Range(65525, 65535), rapid.Uint16Range(0, 12), rapid.Uint16()).Draw(t, "first")
			count := rapid.OneOf(rapid.Uint16Range(0, 5), rapid.Uint16()).Draw(t, "count")
			call, start, token := doors[elevated][protocol], win32.Htons(first), unset
			where := &token
			if rapid.IntRange(0, 9).Draw(t, "token") == 0 {
				where = nil
			}
			key := [2]uint16{first, count}
			switch rapid.SampledFrom([]string{"create", "create", "lookup", "delete"}).Draw(t, "function") {
			case "create":
				want := m.create(protocol, elevated, first, count, where != nil)
				require.EqualValues(t, want, call.create(start, count, where), "create %s %d+%d", protocol, first, count)
				if want == 0 {
					m[protocol][key] = token
					require.NotZero(t, token)
				}
			case "lookup":
				want := m.lookup(protocol, first, count, where != nil)
				require.EqualValues(t, want, call.lookup(start, count, where), "lookup %s %d+%d", protocol, first, count)
				if want == 0 {
					require.Equal(t, m[protocol][key], token)
				}
			case "delete":
				want := m.delete(protocol, elevated, first, count)
				require.EqualValues(t, want, call.delete(start, count), "delete %s %d+%d", protocol, first, count)
				if want == 0 {
					delete(m[protocol], key)
				}
				continue
			}
			if where == nil {
				require.Equal(t, unset, token)
			}
		}
		for protocol, blocks := range m {
			for key, want := range blocks {
				var token uint64
				require.Zero(t, doors[false][protocol].lookup(win32.Htons(key[0]), key[1], &token))
				require.Equal(t, want, token)
			}
		}
	})
}
