package machine_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

// TestConcurrency lets programs work while the machine is shaken. What they may meet is known; that
// nothing is left at the end is machinetest's to say.
func TestConcurrency(t *testing.T) {
	m := machinetest.NewFrom(t, machine.Config{Seed: 7, TimeWait: time.Nanosecond})
	const programs, rounds = 8, 60
	var running sync.WaitGroup
	for i := range programs {
		running.Go(func() {
			for range rounds {
				work(t, m, i)
			}
		})
	}
	running.Go(func() {
		for i := range 30 {
			shake(t, m, i)
		}
	})
	running.Wait()
}

// work is the life of one program.
func work(t *testing.T, m *machine.Machine, i int) {
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	ctx := context.Background()
	block, _ := pool.RangeFrom(uint16(20000+10*i), 10)
	token, err := p.CreatePersistent(ctx, machine.UDP, block, "")
	if !expected(t, err) {
		return
	}
	for range 3 {
		endpoint, err := p.Open(ctx, machine.UDP)
		if !expected(t, err) {
			return
		}
		s, err := p.OpenSocket(reservation.IPv4, machine.UDP)
		if !expected(t, err) || !expected(t, endpoint.Associate(ctx, token)) {
			return
		}
		port, err := reservation.BindSocket(ctx, endpoint, s, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
		if !expected(t, err) {
			return
		}
		if !block.Contains(port) {
			t.Errorf("port %d is not of %s", port, block)
		}
		_, err = s.Send(ctx, []byte("ping"), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
		if !expected(t, err) {
			return
		}
		_, _, err = s.Receive(ctx, make([]byte, 10))
		if !expected(t, err) {
			return
		}
	}
	expected(t, p.DeletePersistent(ctx, machine.UDP, block))
}

// expected reports whether a program may go on: what stops it must be one of the things that happen.
func expected(t *testing.T, err error) bool {
	for _, usual := range []error{reservation.ErrClosed, reservation.ErrInUse, reservation.ErrNotFound, reservation.ErrDenied, reservation.ErrExhausted, errDisk} {
		if errors.Is(err, usual) {
			return false
		}
	}
	if err != nil {
		t.Errorf("unexpected: %v", err)
	}
	return err == nil
}

// shake does something to the machine.
func shake(t *testing.T, m *machine.Machine, i int) {
	var err error
	switch i % 6 {
	case 0:
		err = m.Reboot()
	case 1:
		err = m.Install(machine.NATService(1))
	case 2:
		_, err = m.Occupy(machine.UDP, uint16(20000+i), "other.exe")
	case 3:
		err = m.Steal(machine.UDP, uint16(20001+i), 2)
	case 4:
		m.FailNextCommit(errDisk)
		m.Advance(time.Second)
		_, err = m.WriteTo(io.Discard)
		m.Leaks()
	case 5:
		m.CutPowerAtCommit(i%4 == 1)
		err = m.PowerCut()
	}
	if err != nil && !errors.Is(err, reservation.ErrInvalid) { // installed already
		expected(t, err)
	}
	if i == 29 {
		m.FailNextCommit(nil)
		if err := m.PowerCut(); err != nil {
			expected(t, m.PowerCut())
		}
	}
}

// Programs of many goroutines exchange datagrams and streams, and every byte arrives.
func TestConcurrentTraffic(t *testing.T) {
	m := machinetest.New(t)
	server := m.Process("server", machine.Plain)
	defer server.Exit()
	listener := openBound(t, server, machine.TCP, "0.0.0.0:7000", noOption)
	require.NoError(t, listener.Listen(100))
	const clients = 16
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			s, err := listener.Accept(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			echo(t, s)
		})
	}
	for i := range clients {
		p := m.Process("client", machine.Plain)
		defer p.Exit()
		s := openBound(t, p, machine.TCP, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(8000+i)).String(), noOption)
		running.Go(func() {
			if err := s.Connect(context.Background(), netip.MustParseAddrPort("127.0.0.1:7000")); err != nil {
				t.Error(err)
				return
			}
			total := 0
			for range 50 {
				if _, err := s.Send(context.Background(), make([]byte, 1000), noPeer); err != nil {
					t.Error(err)
				}
				n, _, err := s.Receive(context.Background(), make([]byte, 2000))
				if err != nil {
					t.Error(err)
				}
				total += n
			}
			for total < 50*1000 {
				n, _, err := s.Receive(context.Background(), make([]byte, 2000))
				if err != nil || n == 0 {
					t.Error("the stream has ended early", err)
					return
				}
				total += n
			}
			s.Close()
		})
	}
	running.Wait()
}

func echo(t *testing.T, s reservation.NetworkSocket) {
	defer s.Close()
	data := make([]byte, 700)
	for {
		n, _, err := s.Receive(context.Background(), data)
		if n == 0 || err != nil {
			return
		}
		if _, err := s.Send(context.Background(), data[:n], noPeer); err != nil && !errors.Is(err, reservation.ErrNotConnected) {
			t.Error(err)
			return
		}
	}
}
