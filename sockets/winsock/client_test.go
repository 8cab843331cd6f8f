package winsock_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// The programs that are known to use the controls, each by the calls that it makes.

// R1, R13: MsQuic's listener, src/platform/datapath_winuser.c: a socket for each processor, all
// associated with the reservation of one port, all bound to it.
func msquicListener(t *testing.T, p *winsock.Process, port uint16, processors int) ([]winsock.Handle, error) {
	t.Helper()
	var sockets []winsock.Handle
	for processor := range processors {
		s, err := p.WSASocket(winsock.AF_INET6, winsock.SOCK_DGRAM, winsock.IPPROTO_UDP, nil, 0, winsock.WSA_FLAG_OVERLAPPED)
		require.NoError(t, err)
		require.NoError(t, p.SetsockoptInt(s, winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 0))
		var returned uint32
		number := binary.NativeEndian.AppendUint16(nil, uint16(processor))
		require.NoError(t, p.WSAIoctl(s, winsock.SIO_CPU_AFFINITY, &number[0], 2, nil, 0, &returned, nil, 0))
		sockets = append(sockets, s)
	}
	held, err := acquire(p, sockets[0], port, 1)
	if err != nil {
		return sockets, err
	}
	for _, s := range sockets {
		require.NoError(t, associate(p, s, held.token))
		require.NoError(t, p.Bind(s, &winsock.SockaddrInet6{Port: int(port)}), "cause: %v", p.LastCause())
		require.Equal(t, int(port), localPort(t, p, s), "MsQuic asserts this")
	}
	return sockets, nil
}

func TestMsQuicListener(t *testing.T) {
	m := newMachine(t)
	p := start(t, m, machine.Plain)
	_, err := msquicListener(t, p, 40443, 4)
	require.NoError(t, err)

	t.Run("R2: a second listener on the port, same process", func(t *testing.T) {
		_, err := msquicListener(t, p, 40443, 4)
		require.Equal(t, winsock.WSAEADDRINUSE, err)
	})
	t.Run("R2: a second listener on the port, another process", func(t *testing.T) {
		_, err := msquicListener(t, start(t, m, machine.Plain), 40443, 1)
		require.Equal(t, winsock.WSAEADDRINUSE, err)
	})
	t.Run("R3: a client picks the taken port", func(t *testing.T) {
		err := bind4(p, udp(t, p), 40443)
		require.Contains(t, []winsock.Errno{winsock.WSAEADDRINUSE, winsock.WSAEACCES}, err)
	})
	t.Run("R2: on an excluded port", func(t *testing.T) {
		administer(t, m)
		_, err := msquicListener(t, p, 43001, 1)
		require.Equal(t, winsock.WSAEADDRINUSE, err, "microsoft/msquic#2891")
	})
}

// A socket that has not called SIO_CPU_AFFINITY follows the ordinary rules.
func TestSiblingsWithoutAffinityConflict(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	held, err := acquire(p, udp(t, p), 40000, 1)
	require.NoError(t, err)
	a, b := udp(t, p), udp(t, p)
	require.NoError(t, associate(p, a, held.token))
	require.NoError(t, associate(p, b, held.token))
	require.NoError(t, bind4(p, a, 40000))
	require.Equal(t, winsock.WSAEADDRINUSE, bind4(p, b, 40000))
}

// R4: demikernel, src/rust/catpowder/win/cohosting.rs: wildcard acquires on one socket that is never
// bound; after an error half as many, until five have failed.
func TestDemikernelHalvesWildcards(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, m.SetDynamic(reservation.TCP, pool.MustParseRange("49152+1000")))
	p := start(t, m, machine.Plain)
	s := tcp(t, p)
	var blocks []instance
	for count, failures := uint16(512), 0; failures < 5; {
		held, err := acquire(p, s, 0, count)
		if err == nil {
			blocks = append(blocks, held)
			continue
		}
		require.Equal(t, winsock.WSAENOBUFS, err)
		failures++
		count = max(count/2, 1)
	}
	requireDisjoint(t, blocks, pool.MustParseRange("49152+1000"))
	require.Greater(t, len(blocks), 3)
	require.NoError(t, p.Closesocket(s))
	_, err := acquire(p, tcp(t, p), 0, 1000)
	require.NoError(t, err, "closesocket frees them all")
}

func requireDisjoint(t *testing.T, blocks []instance, within reservation.Range) {
	t.Helper()
	var taken pool.PortSet
	tokens := map[uint64]bool{0: true}
	for _, b := range blocks {
		r, err := pool.RangeFrom(b.first, int(b.count))
		require.NoError(t, err)
		require.True(t, within.Covers(r), "%v lies outside %v", r, within)
		require.False(t, taken.Overlaps(r), "%v was given twice", r)
		require.False(t, tokens[b.token], "a token was given twice")
		taken.Add(r)
		tokens[b.token] = true
	}
}

// R5: SDN, Kubernetes/windows/debug/portReservationTest.ps1: socket(2, 0, 0), ten blocks of 64 on it.
func TestSDNAcquiresTenBlocksOnOneSocket(t *testing.T) {
	m := newMachine(t)
	p := start(t, m, machine.Plain)
	s := open(t, p, winsock.AF_INET, 0, 0)
	typ, err := p.GetsockoptInt(s, winsock.SOL_SOCKET, winsock.SO_TYPE)
	require.NoError(t, err)
	require.Equal(t, winsock.SOCK_STREAM, typ, "two zeros are TCP (A31)")
	var blocks []instance
	for range 10 {
		held, err := acquire(p, s, 0, 64)
		require.NoError(t, err)
		require.EqualValues(t, 64, held.count)
		blocks = append(blocks, held)
	}
	requireDisjoint(t, blocks, reservation.DefaultDynamic)
}

// R6, R7: sing-box, common/kernelports/pool_windows.go and protocol/bridge/reservation_windows.go: up
// to eight wildcard blocks of 1024 for each protocol, one AF_INET socket each.
func TestSingBoxAcquiresBlocksOf1024(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	for _, protocol := range []struct{ typ, number int }{
		{winsock.SOCK_STREAM, winsock.IPPROTO_TCP}, {winsock.SOCK_DGRAM, winsock.IPPROTO_UDP},
	} {
		var blocks []instance
		for range 8 {
			held, err := acquire(p, open(t, p, winsock.AF_INET, protocol.typ, protocol.number), 0, 1024)
			require.NoError(t, err)
			require.NotZero(t, held.first)
			require.GreaterOrEqual(t, held.count, uint16(1024))
			blocks = append(blocks, held)
		}
		requireDisjoint(t, blocks, reservation.DefaultDynamic)
	}
}

// R8: Microsoft's WFPSampler: the token of a persistent reservation, associate, bind.
func TestWFPSamplerBindsFromPersistentReservation(t *testing.T) {
	m := newMachine(t)
	admin := m.Process("root", machine.Elevated)
	defer admin.Exit()
	token, err := admin.CreatePersistent(context.Background(), reservation.TCP, pool.MustParseRange("5000+20"), "")
	require.NoError(t, err)
	p := winsock.New(admin.API(), admin.Network())
	defer p.Exit()
	s := tcp(t, p)
	require.NoError(t, associate(p, s, uint64(token)))
	require.NoError(t, bind4(p, s, 0))
	require.Equal(t, 5000, localPort(t, p, s))
}

// R12: Cilium's Windows agent spells the codes with both direction bits, and releases a range.
func TestCiliumsSpellingIsRefused(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	var returned uint32
	output := make([]byte, 16)
	err := p.WSAIoctl(s, 0xd8000064, memory(rangeBytes(40000, 10)), 4, &output[0], 16, &returned, nil, 0)
	require.Equal(t, winsock.WSAEOPNOTSUPP, err)
	_, err = acquire(p, s, 40000, 10)
	require.NoError(t, err, "nothing was reserved")
	err = p.WSAIoctl(s, 0xd8000065, memory(rangeBytes(40000, 10)), 4, nil, 0, &returned, nil, 0)
	require.Equal(t, winsock.WSAEOPNOTSUPP, err)
	err = p.WSAIoctl(s, winsock.SIO_RELEASE_PORT_RESERVATION, memory(rangeBytes(40000, 10)), 4, nil, 0, &returned, nil, 0)
	require.Equal(t, winsock.WSAEINVAL, err, "a range is no token")
}

// The sample of Microsoft's page of SIO_ACQUIRE_PORT_RESERVATION: acquire, associate the acquiring
// socket, bind, look, and release while the socket is still open.
func TestAcquireSampleStepByStep(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := tcp(t, p)
	held, err := acquire(p, s, 5000, 20)
	require.NoError(t, err)
	require.NoError(t, associate(p, s, held.token))
	require.NoError(t, bind4(p, s, 0))
	port := localPort(t, p, s)
	require.GreaterOrEqual(t, port, 5000)
	require.Less(t, port, 5020)
	require.NoError(t, release(p, s, held.token))
	require.Equal(t, port, localPort(t, p, s), "a bound socket keeps its port (A9)")
	_, err = acquire(p, tcp(t, p), 5000, 20)
	require.Equal(t, winsock.WSAEADDRINUSE, err, "which is in use")
	_, err = acquire(p, tcp(t, p), 5001, 19)
	require.NoError(t, err, "while the rest of the block is free")
	require.NoError(t, p.Closesocket(s))
}
