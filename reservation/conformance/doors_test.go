package conformance_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
	"github.com/berthkit/berth/sockets/winsock"
)

// winsockets is package winsock as the suite needs it.
type winsockets struct{ p *winsock.Process }

func (w winsockets) open(af, typ, protocol int32) (uintptr, error) {
	h, err := w.p.WSASocket(af, typ, protocol, nil, 0, winsock.WSA_FLAG_OVERLAPPED)
	return uintptr(h), err
}

func (w winsockets) control(handle uintptr, code uint32, input, output []byte) (returned uint32, err error) {
	err = w.p.WSAIoctl(winsock.Handle(handle), code, unsafe.SliceData(input), uint32(len(input)),
		unsafe.SliceData(output), uint32(len(output)), &returned, nil, 0)
	return returned, err
}

func (w winsockets) bind(handle uintptr, family reservation.Family, port uint16) error {
	if family == reservation.IPv6 {
		return w.p.Bind(winsock.Handle(handle), &winsock.SockaddrInet6{Port: int(port), Addr: [16]byte{15: 1}})
	}
	return w.p.Bind(winsock.Handle(handle), &winsock.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}})
}

func (w winsockets) port(handle uintptr) (uint16, error) {
	sa, err := w.p.Getsockname(winsock.Handle(handle))
	switch sa := sa.(type) {
	case *winsock.SockaddrInet4:
		return uint16(sa.Port), err
	case *winsock.SockaddrInet6:
		return uint16(sa.Port), err
	}
	return 0, err
}

func (w winsockets) share(handle uintptr) error {
	return w.p.SetsockoptInt(winsock.Handle(handle), winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1)
}

func (w winsockets) close(handle uintptr) error { return w.p.Closesocket(winsock.Handle(handle)) }

func (w winsockets) exit() error { return w.p.Exit() }

// startOnMachine starts a process of a simulated computer that is reached through the doors alone.
func startOnMachine(m *machine.Machine, elevated bool) *doorProcess {
	p := m.Process("ada", privilege(elevated))
	return &doorProcess{
		door:  newDoor(iphlpapi.New(p), winsockets{winsock.New(p, p)}),
		netsh: p,
		exit:  p.Close,
	}
}

func machineHost(t testing.TB, policy *reservation.Policy) *conformance.Host {
	m := machinetest.NewFrom(t, machine.Config{Seed: 1, Policy: policy})
	return &conformance.Host{
		Start: func(_ testing.TB, elevated bool) *conformance.Process {
			return startOnMachine(m, elevated).process()
		},
		Reboot: func(t testing.TB) { require.NoError(t, m.Reboot()) },
		Occupy: occupyMachine(m),
		Policy: policy,
		Is:     isCode,
	}
}

// TestDoors asks the six functions of iphlpapi and the calls of Winsock over a simulated computer.
func TestDoors(t *testing.T) {
	for name, policy := range map[string]*reservation.Policy{"default policy": nil, "other policy": otherAnswers()} {
		t.Run(name, func(t *testing.T) {
			conformance.Test(t, func(t testing.TB) *conformance.Host { return machineHost(t, policy) })
		})
	}
}

// TestDoorsWithRealSockets has the same calls bind sockets of this computer.
func TestDoorsWithRealSockets(t *testing.T) {
	conformance.Test(t, func(t testing.TB) *conformance.Host {
		c := newComputer(t, realPorts(t), nil)
		return &conformance.Host{
			Start: func(t testing.TB, elevated bool) *conformance.Process {
				p := c.start(t, elevated).API.(*reservation.Process)
				return (&doorProcess{
					door:  newDoor(iphlpapi.New(p), winsockets{winsock.New(p, winsock.RealNetwork())}),
					netsh: p,
					exit:  p.Close,
				}).process()
			},
			Reboot: c.reboot,
			Occupy: occupyReal,
			Ports:  freePorts(t, 64),
			Except: exceptReal(),
			Is:     isCode,
		}
	})
}
