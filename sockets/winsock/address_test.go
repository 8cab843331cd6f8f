package winsock_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

func TestAddressesHaveTheirSizes(t *testing.T) {
	require.EqualValues(t, 16, unsafe.Sizeof(winsock.RawSockaddrInet4{}))
	require.EqualValues(t, 28, unsafe.Sizeof(winsock.RawSockaddrInet6{}))
	require.EqualValues(t, 116, unsafe.Sizeof(winsock.RawSockaddrAny{}))
	require.EqualValues(t, 24, unsafe.Offsetof(winsock.RawSockaddrInet6{}.Scope_id))
}

// What a program casts a RawSockaddrAny to has the fields where they belong.
func TestRawAddressIsAsCHasIt(t *testing.T) {
	var raw winsock.RawSockaddrAny
	inet4 := (*winsock.RawSockaddrInet4)(unsafe.Pointer(&raw))
	inet4.Family, inet4.Port, inet4.Addr = winsock.AF_INET, winsock.Ntohs(40000), [4]byte{127, 0, 0, 1}
	sa, err := raw.Sockaddr()
	require.NoError(t, err)
	require.Equal(t, loopback(40000), sa)

	raw = winsock.RawSockaddrAny{}
	inet6 := (*winsock.RawSockaddrInet6)(unsafe.Pointer(&raw))
	inet6.Family, inet6.Port, inet6.Addr, inet6.Scope_id = winsock.AF_INET6, winsock.Ntohs(40000), [16]byte{15: 1}, 3
	sa, err = raw.Sockaddr()
	require.NoError(t, err)
	require.Equal(t, &winsock.SockaddrInet6{Port: 40000, ZoneId: 3, Addr: [16]byte{15: 1}}, sa)

	raw.Addr.Family = winsock.AF_BTH
	_, err = raw.Sockaddr()
	require.Equal(t, winsock.WSAEAFNOSUPPORT, err)
	_, err = (*winsock.RawSockaddrAny)(nil).Sockaddr()
	require.Equal(t, winsock.WSAEFAULT, err)
}

// The name of a socket is the address that it was bound to, whatever the port and loopback address.
func TestBoundAddressIsTheNameOfTheSocket(t *testing.T) {
	m := newMachine(t)
	p := start(t, m, machine.Plain)
	rapid.Check(t, func(t *rapid.T) {
		port := rapid.IntRange(1, 65535).Draw(t, "port")
		var sa winsock.Sockaddr = &winsock.SockaddrInet4{Port: port, Addr: [4]byte{
			127, rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c"), rapid.Byte().Draw(t, "d"),
		}}
		family := winsock.AF_INET
		if rapid.Bool().Draw(t, "IPv6") {
			family, sa = winsock.AF_INET6, &winsock.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
		}
		s, err := p.Socket(family, winsock.SOCK_DGRAM, 0)
		require.NoError(t, err)
		defer p.Closesocket(s)
		require.NoError(t, p.Bind(s, sa))
		name, err := p.Getsockname(s)
		require.NoError(t, err)
		require.Equal(t, sa, name)
	})
}

// Memory that a program takes for an address is read safely, and only as far as an address goes.
func FuzzRawAddress(f *testing.F) {
	f.Add([]byte{winsock.AF_INET, 0, 0x9c, 0x40, 127, 0, 0, 1}, int32(16), false)
	f.Add([]byte{winsock.AF_INET6, 0, 0x9c, 0x40}, int32(28), true)
	f.Add([]byte{winsock.AF_INET6, 0, 0x9c, 0x40, 23: 1, 24: 255, 27: 255}, int32(1<<31-1), true)
	f.Add([]byte{}, int32(-1), false)
	f.Fuzz(func(t *testing.T, memory []byte, length int32, v6 bool) {
		m, err := machine.New(machine.Config{Seed: 1})
		require.NoError(t, err)
		defer m.Close()
		program := m.Process("ada", machine.Plain)
		defer program.Exit()
		p := winsock.New(program.API(), program.Network())
		defer p.Exit()
		family := winsock.AF_INET
		if v6 {
			family = winsock.AF_INET6
		}
		var raw winsock.RawSockaddrAny
		copy((*[116]byte)(unsafe.Pointer(&raw))[:], memory)
		if sa, err := raw.Sockaddr(); err == nil {
			_ = p.Bind(open(t, p, family, winsock.SOCK_DGRAM, 0), sa)
		}
		data := []byte("x")
		buf := winsock.WSABuf{Len: 1, Buf: &data[0]}
		_ = p.WSASendTo(open(t, p, family, winsock.SOCK_DGRAM, 0), &buf, 1, nil, 0, &raw, length, nil, nil)
		require.NoError(t, p.Exit())
		require.Empty(t, m.Leaks())
	})
}
