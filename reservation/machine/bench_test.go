package machine_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// withReservations returns a machine with as many persistent reservations of 5 ports, half of each
// protocol.
func withReservations(b *testing.B, count int) *machine.Machine {
	m := machinetest.New(b)
	p := m.Process("alice", machine.Elevated)
	for i := range count {
		r, err := pool.RangeFrom(uint16(1000+6*(i/2)), 5)
		require.NoError(b, err)
		_, err = p.CreatePersistent(b.Context(), pool.Protocols()[i%2], r, "")
		require.NoError(b, err)
	}
	return m
}

func BenchmarkReboot(b *testing.B) {
	for _, count := range []int{0, 1_000, 10_000} {
		b.Run(fmt.Sprintf("reservations=%d", count), func(b *testing.B) {
			m := withReservations(b, count)
			for b.Loop() {
				if err := m.Reboot(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPowerCut(b *testing.B) {
	m := withReservations(b, 10_000)
	for b.Loop() {
		if err := m.PowerCut(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreateDelete compares the machine's calls with the engine's own.
func BenchmarkCreateDelete(b *testing.B) {
	host, err := reservation.New(context.Background(), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "boot"})
	require.NoError(b, err)
	defer host.Close()
	m := machinetest.New(b)
	for name, api := range map[string]reservation.API{
		"on=engine":  host.Process(reservation.Caller{Elevated: true}),
		"on=machine": m.Process("alice", machine.Elevated),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := pool.MustParseRange("50000-50099")
			for b.Loop() {
				if _, err := api.CreatePersistent(context.Background(), machine.UDP, r, ""); err != nil {
					b.Fatal(err)
				}
				if err := api.DeletePersistent(context.Background(), machine.UDP, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDatagram(b *testing.B) {
	m := machinetest.New(b)
	p := m.Process("alice", machine.Plain)
	defer p.Exit()
	s := openBound(b, p, machine.UDP, "127.0.0.1:5000", noOption)
	data, to := make([]byte, 1200), netip.MustParseAddrPort("127.0.0.1:5000")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Send(context.Background(), data, to); err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Receive(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
}
