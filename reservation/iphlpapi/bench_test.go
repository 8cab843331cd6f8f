package iphlpapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// BenchmarkCreateDelete compares the door with the calls of the engine behind it, on a journal in
// memory. The last of the three takes turns, so that whatever else the computer does meanwhile slows
// both alike; its door/engine must stay below 1.5.
func BenchmarkCreateDelete(b *testing.B) {
	c, ctx, r := newComputer(b, reservation.Config{}), b.Context(), pool.MustParseRange("50000+100")
	engine := func() error {
		if _, err := c.admin.CreatePersistent(ctx, reservation.UDP, r, ""); err != nil {
			return err
		}
		return c.admin.DeletePersistent(ctx, reservation.UDP, r)
	}
	dll, start, token := iphlpapi.New(c.admin), win32.Htons(r.First()), uint64(0)
	door := func() error {
		if code := dll.CreatePersistentUdpPortReservation(start, 100, &token); code != 0 {
			return win32.Errno(code)
		}
		if code := dll.DeletePersistentUdpPortReservation(start, 100); code != 0 {
			return win32.Errno(code)
		}
		return nil
	}
	alone := func(createAndDelete func() error) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := createAndDelete(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("through=engine", alone(engine))
	b.Run("through=door", alone(door))
	b.Run("through=both", func(b *testing.B) {
		var inEngine, inDoor time.Duration
		for b.Loop() {
			begin := time.Now()
			err := engine()
			middle := time.Now()
			if err = errors.Join(err, door()); err != nil {
				b.Fatal(err)
			}
			inEngine, inDoor = inEngine+middle.Sub(begin), inDoor+time.Since(middle)
		}
		b.ReportMetric(float64(inDoor)/float64(inEngine), "door/engine")
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
