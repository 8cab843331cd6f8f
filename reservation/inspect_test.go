package reservation_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

func TestExplain(t *testing.T) {
	c := newComputer(t, nil)
	ctx, user := t.Context(), c.process("user")
	explain := func(r string) *reservation.Explanation {
		explanation, err := user.Explain(ctx, reservation.UDP, pool.MustParseRange(r))
		require.NoError(t, err)
		return explanation
	}
	free := explain("50000-50009")
	require.True(t, free.IsFree())
	require.Equal(t, pool.MustParseRange("50000-50009"), free.Nearest)

	c.run(`
		create udp 50000-50009 as t
		exclude udp 50020-50029
		open a udp
		associate a t
		bind a 50003               -> 50003
		occupy udp 50010`)
	held := explain("50003-50022")
	require.False(t, held.IsFree())
	require.Len(t, held.Blocks, 2)
	require.Equal(t, reservation.Persistent, held.Blocks[0].Kind)
	require.Equal(t, 1, held.Blocks[0].Bound)
	require.Equal(t, reservation.Exclusion, held.Blocks[1].Kind)
	require.Equal(t, []reservation.Holder{
		{Port: 50003, PID: 100, Program: "admin", Ours: true},
		{Port: 50010, PID: 4711, Program: "stranger"},
	}, withoutCaller(held.InUse))
	require.Equal(t, pool.MustParseRange("49980-49999"), held.Nearest)
	require.Equal(t, pool.MustParseRange("50011-50019"), explain("50009-50017").Nearest)
	require.Zero(t, explain("1-65535").Nearest)
}

// withoutCaller makes the pid of the process that the script ran as the same in every test.
func withoutCaller(holders []reservation.Holder) []reservation.Holder {
	for i := range holders {
		if holders[i].Ours {
			holders[i].PID = 100
		}
	}
	return holders
}

func TestFree(t *testing.T) {
	c := newComputer(t, nil)
	ctx, user := t.Context(), c.process("user")
	c.run(`
		create udp 40000-40009
		occupy udp 40013
		open a udp
		bind a 40020               -> 40020`)
	for _, search := range []struct {
		count int
		in    pool.Search
		want  string
	}{
		{3, pool.Search{Within: pool.MustParseRange("40000-40100")}, "40010-40012"},
		{4, pool.Search{Within: pool.MustParseRange("40000-40100")}, "40014-40017"},
		{4, pool.Search{Within: pool.MustParseRange("40000-40100"), Align: 8}, "40016-40019"},
		{4, pool.Search{Within: pool.MustParseRange("40000-40100"), From: 40016}, "40016-40019"},
	} {
		got, err := user.Free(ctx, reservation.UDP, search.count, search.in)
		require.NoError(t, err)
		require.Equal(t, search.want, got.String())
	}
	_, err := user.Free(ctx, reservation.UDP, 100, pool.Search{Within: pool.MustParseRange("40000-40100")})
	require.ErrorIs(t, err, reservation.ErrExhausted)
	for _, count := range []int{0, -1, 65536} {
		_, err := user.Free(ctx, reservation.UDP, count, pool.Search{})
		require.ErrorIs(t, err, reservation.ErrInvalid)
	}
	_, err = user.Free(ctx, 0, 1, pool.Search{})
	require.ErrorIs(t, err, reservation.ErrInvalid)
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"persistent": reservation.Persistent.String(), "runtime": reservation.Runtime.String(),
		"exclusion": reservation.Exclusion.String(), "kind(9)": reservation.Kind(9).String(),
		"active": reservation.ActiveStore.String(), "store(9)": reservation.ExclusionStore(9).String(),
		"0x00000000000000ff": reservation.Token(255).String(),
		"udp 53 is held by a runtime reservation of process 9":     reservation.Block{Protocol: reservation.UDP, Range: pool.RangeOf(53), Kind: reservation.Runtime, PID: 9}.String(),
		"udp 53 is excluded (active store)":                        reservation.Block{Protocol: reservation.UDP, Range: pool.RangeOf(53), Kind: reservation.Exclusion, Store: reservation.ActiveStore}.String(),
		"port 53 is bound by a program that this user may not see": reservation.Holder{Port: 53}.String(),
	} {
		require.Equal(t, want, got)
	}
}

// A port table that fails fails the calls that cannot do without it, and none that can.
func TestPortTableFails(t *testing.T) {
	blind := errors.New("no netlink here")
	h, err := reservation.New(t.Context(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), BootID: "b", Ports: failing{blind},
	})
	require.NoError(t, err)
	defer h.Close()
	ctx, p, r := t.Context(), h.Process(reservation.Caller{Elevated: true}), pool.MustParseRange("50000-50009")
	_, err = p.CreatePersistent(ctx, reservation.UDP, r, "")
	require.ErrorIs(t, err, blind)
	e, err := p.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	_, err = e.Acquire(ctx, reservation.Request{First: 50000, Count: 10})
	require.ErrorIs(t, err, blind)
	_, err = e.Acquire(ctx, reservation.Request{Count: 10})
	require.ErrorIs(t, err, blind)
	_, err = p.Free(ctx, reservation.UDP, 1, pool.Search{})
	require.ErrorIs(t, err, blind)
	_, err = p.Explain(ctx, reservation.UDP, r)
	require.ErrorIs(t, err, blind)
	blocks, err := p.List(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, blocks)
	tries := 0
	_, err = e.Bind(ctx, 0, func(port uint16) (uint16, error) {
		if tries++; tries < 3 {
			return 0, reservation.ErrInUse
		}
		return port, nil
	})
	require.NoError(t, err, "each port is tried when nobody tells which are taken")
	require.NoError(t, h.CheckInvariants())
}
