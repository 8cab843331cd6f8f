package winsock_test

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
	"github.com/berthkit/berth/sockets/winsock"
)

// start runs a program of the user "ada" on the machine.
func start(t testing.TB, m *machine.Machine, privilege machine.Privilege) *winsock.Process {
	t.Helper()
	return startOf(t, m, "ada", privilege)
}

func startOf(t testing.TB, m *machine.Machine, user string, privilege machine.Privilege) *winsock.Process {
	t.Helper()
	program := m.Process(user, privilege)
	p := winsock.New(program.API(), program.Network())
	t.Cleanup(func() {
		require.NoError(t, p.Exit())
		program.Exit()
	})
	return p
}

func newMachine(t testing.TB) *machine.Machine { return machinetest.New(t) }

func open(t testing.TB, p *winsock.Process, domain, typ, proto int) winsock.Handle {
	t.Helper()
	h, err := p.Socket(domain, typ, proto)
	require.NoError(t, err)
	require.NotEqual(t, winsock.InvalidHandle, h)
	return h
}

func udp(t testing.TB, p *winsock.Process) winsock.Handle {
	t.Helper()
	return open(t, p, winsock.AF_INET, winsock.SOCK_DGRAM, winsock.IPPROTO_UDP)
}

func tcp(t testing.TB, p *winsock.Process) winsock.Handle {
	t.Helper()
	return open(t, p, winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_TCP)
}

// An instance is what acquire gives, read as R6 reads it: from raw bytes.
type instance struct {
	first, count uint16
	token        uint64
}

func acquire(p *winsock.Process, s winsock.Handle, first, count uint16) (instance, error) {
	var input [4]byte
	binary.BigEndian.PutUint16(input[:], first)
	binary.NativeEndian.PutUint16(input[2:], count)
	var output [16]byte
	var returned uint32
	err := p.WSAIoctl(s, winsock.SIO_ACQUIRE_PORT_RESERVATION, &input[0], 4, &output[0], 16, &returned, nil, 0)
	if err != nil {
		return instance{}, err
	}
	if returned != 16 {
		panic("acquire succeeded without 16 bytes")
	}
	return instance{
		binary.BigEndian.Uint16(output[:]), binary.NativeEndian.Uint16(output[2:]), binary.NativeEndian.Uint64(output[8:]),
	}, nil
}

func withToken(p *winsock.Process, s winsock.Handle, code uint32, token uint64) error {
	returned := uint32(99)
	err := p.WSAIoctl(s, code, (*byte)(unsafe.Pointer(&token)), 8, nil, 0, &returned, nil, 0)
	if returned != 0 {
		panic("a control without output returned bytes")
	}
	return err
}

func associate(p *winsock.Process, s winsock.Handle, token uint64) error {
	return withToken(p, s, winsock.SIO_ASSOCIATE_PORT_RESERVATION, token)
}

func release(p *winsock.Process, s winsock.Handle, token uint64) error {
	return withToken(p, s, winsock.SIO_RELEASE_PORT_RESERVATION, token)
}

func bind4(p *winsock.Process, s winsock.Handle, port int) error {
	return p.Bind(s, &winsock.SockaddrInet4{Port: port})
}

func localPort(t testing.TB, p *winsock.Process, s winsock.Handle) int {
	t.Helper()
	sa, err := p.Getsockname(s)
	require.NoError(t, err)
	return port(t, sa)
}

func port(t testing.TB, sa winsock.Sockaddr) int {
	t.Helper()
	switch sa := sa.(type) {
	case *winsock.SockaddrInet4:
		return sa.Port
	case *winsock.SockaddrInet6:
		return sa.Port
	}
	t.Fatalf("an address of type %T", sa)
	return 0
}

func loopback(port int) *winsock.SockaddrInet4 {
	return &winsock.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}
