package iphlpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// BenchmarkCreateDelete compares the door with the calls of the engine behind it, on a journal in
// memory. The door may cost half as much again; it costs next to nothing.
func BenchmarkCreateDelete(b *testing.B) {
	c, ctx, r := newComputer(b, reservation.Config{}), b.Context(), pool.MustParseRange("50000+100")
	b.Run("through=engine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.admin.CreatePersistent(ctx, reservation.UDP, r, ""); err != nil {
				b.Fatal(err)
			}
			if err := c.admin.DeletePersistent(ctx, reservation.UDP, r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("through=door", func(b *testing.B) {
		dll, start := iphlpapi.New(c.admin), win32.Htons(r.First())
		var token uint64
		b.ReportAllocs()
		for b.Loop() {
			if code := dll.CreatePersistentUdpPortReservation(start, 100, &token); code != 0 {
				b.Fatal(code)
			}
			if code := dll.DeletePersistentUdpPortReservation(start, 100); code != 0 {
				b.Fatal(code)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	dll, start := iphlpapi.New(newComputer(b, reservation.Config{}).admin), win32.Htons(50000)
	var token uint64
	require.Zero(b, dll.CreatePersistentUdpPortReservation(start, 100, &token))
	b.ReportAllocs()
	for b.Loop() {
		if code := dll.LookupPersistentUdpPortReservation(start, 100, &token); code != 0 {
			b.Fatal(code)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	dll, start := iphlpapi.New(newComputer(t, reservation.Config{}).admin), win32.Htons(50000)
	var token uint64
	require.Zero(t, dll.CreatePersistentUdpPortReservation(start, 100, &token))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		dll.LookupPersistentUdpPortReservation(start, 100, &token)
	}))
}
