package reservation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

func withBlocks(tb testing.TB, count int) *reservation.Process {
	h, err := reservation.New(tb.Context(), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "boot-1"})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, h.Close()) })
	p := h.Process(reservation.Caller{Elevated: true})
	for i := range count {
		_, err := p.CreatePersistent(tb.Context(), reservation.UDP, pool.RangeOf(uint16(2*i+1)), "")
		require.NoError(tb, err)
	}
	return p
}

func TestLookupAllocatesNothing(t *testing.T) {
	p, ctx, r := withBlocks(t, 1000), t.Context(), pool.RangeOf(501)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := p.LookupPersistent(ctx, reservation.UDP, r); err != nil {
			t.Error(err)
		}
	}))
}

func BenchmarkLookup(b *testing.B) {
	for _, blocks := range []int{10, 1000, 30000} {
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			p, ctx := withBlocks(b, blocks), b.Context()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := p.LookupPersistent(ctx, reservation.UDP, pool.RangeOf(uint16(2*(i*7919%blocks)+1))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCreateDelete is the engine's own share of a durable create: its journal is memory.
func BenchmarkCreateDelete(b *testing.B) {
	for _, blocks := range []int{10, 10000} {
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			p, ctx, r := withBlocks(b, blocks), b.Context(), pool.MustParseRange("65000+16")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.CreatePersistent(ctx, reservation.UDP, r, ""); err != nil {
					b.Fatal(err)
				}
				if err := p.DeletePersistent(ctx, reservation.UDP, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBind is the engine's own share of binding a socket from a reservation.
func BenchmarkBind(b *testing.B) {
	p, ctx := withBlocks(b, 1000), b.Context()
	token, err := p.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("65000+64"), "")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		e, err := p.Open(ctx, reservation.UDP)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Associate(ctx, token); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Bind(ctx, 0, nil); err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	p, ctx := withBlocks(b, 1000), b.Context()
	e, err := p.Open(ctx, reservation.UDP)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		held, err := e.Acquire(ctx, reservation.Request{Count: 64})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Release(ctx, held.Token); err != nil {
			b.Fatal(err)
		}
	}
}
