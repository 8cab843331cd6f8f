package conformance_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
	"github.com/berthkit/berth/sockets/inuse"
	"github.com/berthkit/berth/sockets/winsock"
)

// otherAnswers gives every open question the answer that is not our default.
func otherAnswers() *reservation.Policy {
	return &reservation.Policy{
		ArgumentsFirst:               false,
		BindOutsideForeign:           reservation.ErrInvalid,
		BindOutside:                  reservation.ErrDenied,
		BindExhausted:                reservation.ErrInUse,
		AcquireExhausted:             reservation.ErrInUse,
		ForeignToken:                 reservation.ErrInvalid,
		AssociateAgain:               false,
		ReleaseBound:                 false,
		ReleaseElsewhere:             false,
		ReleasePersistent:            reservation.ErrDenied,
		DeleteBound:                  false,
		DeleteReservationAsExclusion: reservation.ErrDenied,
		AcquireBound:                 false,
		AcquireAcrossProtocols:       true,
		OtherProtocolToken:           reservation.ErrDenied,
	}
}

// A computer is an engine that can be restarted.
type computer struct {
	journal *reservation.MemoryJournal
	config  reservation.Config
	host    *reservation.Host
	boots   int
	nextPID uint32
}

func newComputer(t testing.TB, ports reservation.PortTable, policy *reservation.Policy) *computer {
	c := &computer{journal: reservation.NewMemoryJournal(), config: reservation.Config{Ports: ports, Policy: policy}, nextPID: 100}
	c.boot(t)
	t.Cleanup(func() { require.NoError(t, c.host.Close()) })
	return c
}

func (c *computer) boot(t testing.TB) {
	c.boots++
	c.config.Journal, c.config.BootID = c.journal, fmt.Sprint("boot ", c.boots)
	var err error
	c.host, err = reservation.New(context.Background(), c.config)
	require.NoError(t, err)
}

func (c *computer) reboot(t testing.TB) {
	require.NoError(t, c.host.Close())
	c.journal = c.journal.Reopen()
	c.boot(t)
}

func (c *computer) start(_ testing.TB, elevated bool) *conformance.Process {
	c.nextPID++
	return &conformance.Process{API: c.host.Process(reservation.Caller{PID: c.nextPID, Elevated: elevated})}
}

func TestEngine(t *testing.T) {
	for name, policy := range map[string]*reservation.Policy{"default policy": nil, "other policy": otherAnswers()} {
		t.Run(name, func(t *testing.T) {
			conformance.Test(t, func(t testing.TB) *conformance.Host {
				c := newComputer(t, nil, policy)
				return &conformance.Host{Start: c.start, Reboot: c.reboot, Policy: policy}
			})
		})
	}
}

func privilege(elevated bool) machine.Privilege {
	if elevated {
		return machine.Elevated
	}
	return machine.Plain
}

func TestMachine(t *testing.T) {
	conformance.Test(t, func(t testing.TB) *conformance.Host {
		m := machinetest.New(t)
		return &conformance.Host{
			Start: func(_ testing.TB, elevated bool) *conformance.Process {
				p := m.Process("ada", privilege(elevated))
				return &conformance.Process{API: p, Network: p}
			},
			Reboot: func(t testing.TB) { require.NoError(t, m.Reboot()) },
			Occupy: occupyMachine(m),
		}
	})
}

func occupyMachine(m *machine.Machine) func(testing.TB, reservation.Protocol, uint16) func() {
	return func(t testing.TB, protocol reservation.Protocol, port uint16) func() {
		program, err := m.Occupy(protocol, port, "other.exe")
		require.NoError(t, err)
		return program.Exit
	}
}

// TestRealSockets runs an engine whose endpoints bind sockets of this computer, and whose strangers
// are sockets of this computer that the engine does not know.
func TestRealSockets(t *testing.T) {
	network := winsock.RealNetwork()
	conformance.Test(t, func(t testing.TB) *conformance.Host {
		c := newComputer(t, realPorts(t), nil)
		return &conformance.Host{
			Start: func(t testing.TB, elevated bool) *conformance.Process {
				p := c.start(t, elevated)
				p.Network = network
				return p
			},
			Reboot: c.reboot,
			Occupy: occupyReal,
			Ports:  freePorts(t, 64),
			Except: exceptReal(),
		}
	})
}

// realPorts is the table of the ports that sockets of this computer have bound.
func realPorts(t testing.TB) reservation.PortTable {
	table := inuse.New()
	if _, err := table.InUse(t.Context(), reservation.UDP, pool.RangeOf(20000)); err != nil {
		t.Skipf("this system does not tell which ports are bound: %v", err)
	}
	return table
}

func exceptReal() map[string]string {
	except := map[string]string{
		"C8": "1-65535 has ports that programs of this computer have bound",
		"P6": "a low port may be bound by a service of this computer",
		"N3": "a range of 255 ports may have one that a program of this computer has bound",
		"L6": "as N3",
	}
	if runtime.GOOS != "windows" {
		except["S4/tcp"] = "TCP sockets share a listening port on Windows alone"
	}
	if listener, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		listener.Close()
	} else {
		except["N2"] = "this computer has no IPv6: " + err.Error()
	}
	return except
}

func occupyReal(t testing.TB, protocol reservation.Protocol, port uint16) func() {
	address := fmt.Sprint("127.0.0.1:", port)
	var socket io.Closer
	var err error
	if protocol == reservation.TCP {
		socket, err = net.Listen("tcp4", address)
	} else {
		socket, err = net.ListenPacket("udp4", address)
	}
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	return func() { require.NoError(t, socket.Close()) }
}

// freePorts returns ports that nobody has bound, below those that systems hand out by themselves.
func freePorts(t testing.TB, count int) reservation.Range {
	t.Helper()
	for range 100 {
		r, err := pool.RangeFrom(uint16(10000+rand.IntN(20000)), count)
		require.NoError(t, err)
		if isFree(t, r) {
			return r
		}
	}
	t.Fatalf("found no %d consecutive ports that nobody has bound", count)
	return reservation.Range{}
}

func isFree(t testing.TB, r reservation.Range) bool {
	for _, protocol := range pool.Protocols() {
		used, err := inuse.New().InUse(t.Context(), protocol, r)
		require.NoError(t, err)
		if len(used) > 0 {
			return false
		}
	}
	return true
}
