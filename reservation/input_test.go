package reservation_test

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// Every call looks at its context first and does nothing when that is done.
func TestCancelledContext(t *testing.T) {
	_, p := newHost(t, reservation.NewMemoryJournal())
	r := pool.MustParseRange("50000-50099")
	token, err := p.CreatePersistent(t.Context(), reservation.UDP, r, "")
	require.NoError(t, err)
	e, err := p.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"create":           func() error { _, err := p.CreatePersistent(ctx, reservation.TCP, r, ""); return err },
		"lookup":           func() error { _, err := p.LookupPersistent(ctx, reservation.UDP, r); return err },
		"delete":           func() error { return p.DeletePersistent(ctx, reservation.UDP, r) },
		"add exclusion":    func() error { return p.AddExclusion(ctx, reservation.TCP, r, reservation.ActiveStore) },
		"delete exclusion": func() error { return p.DeleteExclusion(ctx, reservation.TCP, r, reservation.ActiveStore) },
		"open":             func() error { _, err := p.Open(ctx, reservation.UDP); return err },
		"acquire":          func() error { _, err := e.Acquire(ctx, reservation.Request{Count: 1}); return err },
		"release":          func() error { return e.Release(ctx, token) },
		"associate":        func() error { return e.Associate(ctx, token) },
		"bind":             func() error { _, err := e.Bind(ctx, 0, nil); return err },
		"list":             func() error { _, err := p.List(ctx, 0); return err },
		"explain":          func() error { _, err := p.Explain(ctx, reservation.UDP, r); return err },
		"free":             func() error { _, err := p.Free(ctx, reservation.UDP, 1, pool.Search{}); return err },
		"dynamic":          func() error { _, err := p.Dynamic(ctx, reservation.UDP); return err },
		"set dynamic":      func() error { return p.SetDynamic(ctx, reservation.UDP, reservation.DefaultDynamic) },
		"new": func() error {
			_, err := reservation.New(ctx, reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "b"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, call(), context.Canceled) })
	}
	blocks, err := p.List(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	require.Zero(t, blocks[0].Bound)
}

func TestLabels(t *testing.T) {
	_, p := newHost(t, reservation.NewMemoryJournal())
	for name, label := range map[string]string{
		"too long":         strings.Repeat("x", 256),
		"newline":          "a\nb",
		"escape":           "\x1b[31mred",
		"delete":           "a\x7f",
		"not UTF-8":        "a\xff",
		"direction":        "a\u202eb",
		"line separator":   "a\u2028b",
		"null":             "a\x00b",
		"C1 control":       "a\u0085b",
		"zero width joint": "a\u200db",
	} {
		_, err := p.CreatePersistent(t.Context(), reservation.UDP, block(0), label)
		require.ErrorIs(t, err, reservation.ErrInvalid, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		e, err := p.Open(t.Context(), reservation.UDP)
		require.NoError(t, err)
		_, err = e.Acquire(t.Context(), reservation.Request{Count: 1, Label: label})
		require.ErrorIs(t, err, reservation.ErrInvalid, name)
	}
	for i, label := range []string{"", "media", "Spiel-Server 7 ÄÖÜ", "港口", strings.Repeat("x", 255)} {
		_, err := p.CreatePersistent(t.Context(), reservation.UDP, block(i), label)
		require.NoError(t, err)
	}
	blocks, err := p.List(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, blocks, 5)
	require.Equal(t, "港口", blocks[3].Label)
}

func TestConfigIsChecked(t *testing.T) {
	journal := reservation.NewMemoryJournal()
	nilPolicy := reservation.Policy{}
	for name, config := range map[string]reservation.Config{
		"no journal":    {BootID: "b"},
		"no boot":       {Journal: journal},
		"long boot":     {Journal: journal, BootID: strings.Repeat("b", 256)},
		"empty policy":  {Journal: journal, BootID: "b", Policy: &nilPolicy},
		"small dynamic": {Journal: journal, BootID: "b", Dynamic: map[reservation.Protocol]reservation.Range{reservation.UDP: pool.MustParseRange("2000-2100")}},
		"low dynamic":   {Journal: journal, BootID: "b", Dynamic: map[reservation.Protocol]reservation.Range{reservation.TCP: pool.MustParseRange("1000-3000")}},
	} {
		_, err := reservation.New(t.Context(), config)
		require.ErrorIs(t, err, reservation.ErrInvalid, name)
	}
	_, err := journal.Load(t.Context())
	require.NoError(t, err, "a journal that was not taken is still open")
}

// A source of randomness that runs dry neither stops the engine nor makes its tokens predictable.
func TestRandThatFails(t *testing.T) {
	h, err := reservation.New(t.Context(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), BootID: "b", Rand: bytes.NewReader(make([]byte, 12)),
	})
	require.NoError(t, err)
	defer h.Close()
	p := h.Process(reservation.Caller{Elevated: true})
	first, err := p.CreatePersistent(t.Context(), reservation.UDP, block(0), "")
	require.NoError(t, err)
	second, err := p.CreatePersistent(t.Context(), reservation.TCP, block(0), "")
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}

// The message of an error says what happened, to which ports, who is in the way and where to go.
func TestMessages(t *testing.T) {
	c := newComputer(t, nil)
	ctx, admin, user := t.Context(), c.process("admin"), c.process("user")
	_, err := admin.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50000-50099"), "media")
	require.NoError(t, err)
	c.strangers.set(reservation.UDP, pool.MustParseRange("50200-50201"), true)

	_, err = admin.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50090-50109"), "")
	require.EqualError(t, err, `create udp 50090-50109: in use: udp 50000-50099 is held by a persistent reservation "media" since 2026-11-22T09:00:00Z; nearest free: 50100-50119`)
	_, err = admin.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50195-50204"), "")
	require.EqualError(t, err, `create udp 50195-50204: in use: port 50200 is bound by stranger (pid 4711) and 1 more; nearest free: 50190-50199`)
	_, err = user.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("51000"), "")
	require.EqualError(t, err, `create udp 51000: denied: this needs an elevated administrator, one who may write the store`)
	_, err = user.LookupPersistent(ctx, reservation.UDP, pool.MustParseRange("50000-50098"))
	require.EqualError(t, err, `lookup udp 50000-50098: not found: udp 50000-50099 is held by a persistent reservation "media" since 2026-11-22T09:00:00Z`)
	e, err := user.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	_, err = e.Bind(ctx, 50007, nil)
	require.EqualError(t, err, `bind udp 50007: denied: udp 50000-50099 is held by a persistent reservation "media" since 2026-11-22T09:00:00Z`)
	_, err = e.Bind(ctx, 50200, c.strangers.try(reservation.UDP))
	require.EqualError(t, err, `bind udp 50200: bind: in use: port 50200 is bound by stranger (pid 4711)`)
	held, err := e.Acquire(ctx, reservation.Request{First: 50200 + 2, Count: 2})
	require.NoError(t, err)
	require.NoError(t, e.Associate(ctx, held.Token))
	c.strangers.set(reservation.UDP, held.Range, true)
	_, err = e.Bind(ctx, 0, c.strangers.try(reservation.UDP))
	require.EqualError(t, err, `bind udp: no free ports: all 2 ports of 50202-50203 are bound: port 50202 is bound by stranger (pid 4711) and 1 more`)
}
