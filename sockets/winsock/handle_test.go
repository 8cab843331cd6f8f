package winsock_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

func TestSocketKinds(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	const none = -1
	for _, row := range []struct {
		family, typ, protocol int
		kind                  int // SOCK_*, or none
		want                  winsock.Errno
	}{
		{winsock.AF_INET, 0, 0, winsock.SOCK_STREAM, 0},
		{winsock.AF_INET, winsock.SOCK_STREAM, 0, winsock.SOCK_STREAM, 0},
		{winsock.AF_INET, 0, winsock.IPPROTO_TCP, winsock.SOCK_STREAM, 0},
		{winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_TCP, winsock.SOCK_STREAM, 0},
		{winsock.AF_INET, winsock.SOCK_DGRAM, 0, winsock.SOCK_DGRAM, 0},
		{winsock.AF_INET, 0, winsock.IPPROTO_UDP, winsock.SOCK_DGRAM, 0},
		{winsock.AF_INET6, winsock.SOCK_DGRAM, winsock.IPPROTO_UDP, winsock.SOCK_DGRAM, 0},
		{winsock.AF_UNIX, winsock.SOCK_STREAM, 0, none, 0},
		{winsock.AF_UNIX, winsock.SOCK_DGRAM, 0, none, winsock.WSAESOCKTNOSUPPORT},
		{winsock.AF_UNSPEC, winsock.SOCK_DGRAM, 0, none, winsock.WSAEAFNOSUPPORT},
		{winsock.AF_BTH, winsock.SOCK_STREAM, 0, none, winsock.WSAEAFNOSUPPORT},
		{winsock.AF_INET, winsock.SOCK_RAW, 0, none, winsock.WSAEACCES},
		{winsock.AF_INET, winsock.SOCK_SEQPACKET, 0, none, winsock.WSAESOCKTNOSUPPORT},
		{winsock.AF_INET, 99, 0, none, winsock.WSAESOCKTNOSUPPORT},
		{winsock.AF_INET, -5, 0, none, winsock.WSAESOCKTNOSUPPORT},
		{winsock.AF_INET, winsock.SOCK_DGRAM, winsock.IPPROTO_TCP, none, winsock.WSAEPROTOTYPE},
		{winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_UDP, none, winsock.WSAEPROTOTYPE},
		{winsock.AF_INET, winsock.SOCK_STREAM, 99, none, winsock.WSAEPROTONOSUPPORT},
	} {
		h, err := p.Socket(row.family, row.typ, row.protocol)
		again, errAgain := p.WSASocket(-1, -1, -1, &winsock.WSAProtocolInfo{
			AddressFamily: int32(row.family), SocketType: int32(row.typ), Protocol: int32(row.protocol),
		}, 0, winsock.WSA_FLAG_OVERLAPPED)
		require.Equal(t, err, errAgain)
		if row.want != 0 {
			require.Equal(t, row.want, err, "%v", row)
			require.Equal(t, winsock.InvalidHandle, h)
			require.Equal(t, winsock.InvalidHandle, again)
			continue
		}
		require.NoError(t, err, "%v", row)
		require.NotEqual(t, h, again)
		if row.kind != none {
			kind, err := p.GetsockoptInt(h, winsock.SOL_SOCKET, winsock.SO_TYPE)
			require.NoError(t, err)
			require.Equal(t, row.kind, kind)
		}
	}
}

// Every call on a socket that is none says so; a socket of AF_UNIX can do nothing.
func TestCallsWantASocket(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	var n, flags uint32
	var overlapped winsock.Overlapped
	b := []byte{0, 0, 0, 0}
	length := int32(4)
	buf := winsock.WSABuf{Len: 4, Buf: &b[0]}
	for name, call := range map[string]func(h winsock.Handle) error{
		"Bind":          func(h winsock.Handle) error { return p.Bind(h, loopback(0)) },
		"Connect":       func(h winsock.Handle) error { return p.Connect(h, loopback(1)) },
		"Listen":        func(h winsock.Handle) error { return p.Listen(h, 1) },
		"Accept":        func(h winsock.Handle) error { _, _, err := p.Accept(h); return err },
		"Getsockname":   func(h winsock.Handle) error { _, err := p.Getsockname(h); return err },
		"Getpeername":   func(h winsock.Handle) error { _, err := p.Getpeername(h); return err },
		"Shutdown":      func(h winsock.Handle) error { return p.Shutdown(h, 0) },
		"Sendto":        func(h winsock.Handle) error { return p.Sendto(h, b, 0, loopback(1)) },
		"Recvfrom":      func(h winsock.Handle) error { _, _, err := p.Recvfrom(h, b, 0); return err },
		"WSASendto":     func(h winsock.Handle) error { return p.WSASendto(h, &buf, 1, &n, 0, loopback(1), nil, nil) },
		"WSASendTo":     func(h winsock.Handle) error { return p.WSASendTo(h, &buf, 1, &n, 0, nil, 0, nil, nil) },
		"WSASend":       func(h winsock.Handle) error { return p.WSASend(h, &buf, 1, &n, 0, nil, nil) },
		"WSARecv":       func(h winsock.Handle) error { return p.WSARecv(h, &buf, 1, &n, &flags, nil, nil) },
		"WSARecvFrom":   func(h winsock.Handle) error { return p.WSARecvFrom(h, &buf, 1, &n, &flags, nil, nil, nil, nil) },
		"SetsockoptInt": func(h winsock.Handle) error { return p.SetsockoptInt(h, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1) },
		"Setsockopt": func(h winsock.Handle) error {
			return p.Setsockopt(h, winsock.SOL_SOCKET, winsock.SO_REUSEADDR, &b[0], 4)
		},
		"GetsockoptInt":          func(h winsock.Handle) error { _, err := p.GetsockoptInt(h, 1, 1); return err },
		"Getsockopt":             func(h winsock.Handle) error { return p.Getsockopt(h, 1, 1, &b[0], &length) },
		"WSAGetOverlappedResult": func(h winsock.Handle) error { return p.WSAGetOverlappedResult(h, &overlapped, &n, false, &flags) },
		"GetOverlappedResult":    func(h winsock.Handle) error { return p.GetOverlappedResult(h, &overlapped, &n, false) },
		"CancelIoEx":             func(h winsock.Handle) error { return p.CancelIoEx(h, nil) },
	} {
		require.Equal(t, winsock.WSAENOTSOCK, call(3), name)
		require.Equal(t, winsock.WSAEOPNOTSUPP, call(open(t, p, winsock.AF_UNIX, winsock.SOCK_STREAM, 0)), name)
	}
	require.Equal(t, winsock.WSAENOTSOCK, p.Closesocket(3))
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.CloseHandle(3))
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.Close(winsock.InvalidHandle))
}

// A reservation lives to the last handle of its socket (A24).
func TestReservationLivesToTheLastHandle(t *testing.T) {
	m := newMachine(t)
	p, other := start(t, m, machine.Plain), start(t, m, machine.Plain)
	s := udp(t, p)
	held, err := acquire(p, s, 40000, 4)
	require.NoError(t, err)
	self, err := p.GetCurrentProcess()
	require.NoError(t, err)
	var twin winsock.Handle
	require.NoError(t, p.DuplicateHandle(self, s, self, &twin, 0, false, winsock.DUPLICATE_SAME_ACCESS))
	require.NotEqual(t, s, twin)
	inherited, err := p.DuplicateInto(other, s)
	require.NoError(t, err)

	free := func() error {
		probe := udp(t, p)
		_, err := acquire(p, probe, 40000, 4)
		require.NoError(t, p.Closesocket(probe))
		return err
	}
	require.NoError(t, p.Closesocket(s))
	require.Equal(t, winsock.WSAENOTSOCK, p.Closesocket(s), "a handle is closed once")
	require.Equal(t, winsock.WSAEADDRINUSE, free())
	require.NoError(t, p.CloseHandle(twin))
	require.Equal(t, winsock.WSAEADDRINUSE, free())
	require.NoError(t, associate(other, inherited, held.token), "through the acquirer's socket")
	require.NoError(t, bind4(other, inherited, 40001))
	require.NoError(t, other.Exit())
	require.NoError(t, free())
}

func TestDuplicateHandleMovesAHandle(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	self := p.CurrentProcess()
	var moved winsock.Handle
	require.NoError(t, p.DuplicateHandle(self, s, self, &moved, 0, false, winsock.DUPLICATE_CLOSE_SOURCE))
	require.Equal(t, winsock.WSAENOTSOCK, bind4(p, s, 0))
	require.NoError(t, bind4(p, moved, 0))

	require.NoError(t, p.DuplicateHandle(self, moved, self, nil, 0, false, 0), "nothing to do")
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.DuplicateHandle(self, s, self, &moved, 0, false, 0))
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.DuplicateHandle(1, moved, self, &moved, 0, false, 0))
}

func TestLastCleanupClosesSockets(t *testing.T) {
	m := newMachine(t)
	p, other := start(t, m, machine.Plain), start(t, m, machine.Plain)
	var data winsock.WSAData
	require.NoError(t, p.WSAStartup(0x0202, &data))
	require.EqualValues(t, 0x0202, data.Version)
	s := udp(t, p)
	_, err := acquire(p, s, 40000, 1)
	require.NoError(t, err)
	require.NoError(t, p.WSACleanup())
	require.NoError(t, bind4(p, s, 0), "Go's own start still counts")
	event, err := p.CreateEvent(nil, 0, 0, nil)
	require.NoError(t, err)
	require.NoError(t, p.WSACleanup())
	require.NoError(t, p.SetEvent(event), "events are not Winsock's")
	require.Equal(t, winsock.WSANOTINITIALISED, bind4(p, s, 0))
	require.Equal(t, winsock.WSANOTINITIALISED, p.WSACleanup())
	_, err = acquire(other, udp(t, other), 40000, 1)
	require.NoError(t, err)
	require.NoError(t, p.WSAStartup(0x0202, &data))
	require.Equal(t, winsock.WSAENOTSOCK, bind4(p, s, 0))
	udp(t, p)
}

func TestStartupNegotiatesTheVersion(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	for _, row := range []struct {
		asked uint32
		got   uint16
		want  error
	}{
		{0x0202, 0x0202, nil}, {0x0101, 0x0101, nil}, {0x0002, 0x0002, nil}, {0x0302, 0x0202, nil},
		{0x0003, 0x0202, nil}, {0xffffffff, 0x0202, nil}, {0, 0, winsock.WSAVERNOTSUPPORTED},
	} {
		var data winsock.WSAData
		require.Equal(t, row.want, p.WSAStartup(row.asked, &data), "%#x", row.asked)
		require.Equal(t, row.got, data.Version, "%#x", row.asked)
		require.EqualValues(t, 0x0202, data.HighVersion)
	}
	require.Equal(t, winsock.WSAEFAULT, p.WSAStartup(0x0202, nil))
}

// A process that has ended, the zero Process and no process at all refuse everything and do nothing.
func TestNobodyIsNotInitialised(t *testing.T) {
	gone := start(t, newMachine(t), machine.Plain)
	require.NoError(t, gone.Exit())
	require.NoError(t, gone.Exit())
	for name, p := range map[string]*winsock.Process{"gone": gone, "zero": new(winsock.Process), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
			require.Equal(t, winsock.WSANOTINITIALISED, err)
			require.Equal(t, winsock.WSANOTINITIALISED, p.WSAGetLastError())
			require.ErrorIs(t, p.LastCause(), winsock.WSANOTINITIALISED)
			require.Equal(t, winsock.WSANOTINITIALISED, p.WSAStartup(0x0202, new(winsock.WSAData)))
			require.Equal(t, winsock.WSANOTINITIALISED, p.WSACleanup())
			require.Equal(t, winsock.WSANOTINITIALISED, p.Closesocket(4))
			require.Equal(t, winsock.WSANOTINITIALISED, p.Bind(4, loopback(0)))
			require.Error(t, p.CloseHandle(4))
			require.Error(t, p.DuplicateHandle(p.CurrentProcess(), 4, p.CurrentProcess(), new(winsock.Handle), 0, false, 0))
			_, err = p.CreateEvent(nil, 0, 0, nil)
			require.Equal(t, winsock.WSANOTINITIALISED, err)
			require.Error(t, p.SetEvent(4))
			require.Error(t, p.ResetEvent(4))
			_, err = p.WaitForSingleObject(4, 0)
			require.Error(t, err)
			require.NotZero(t, p.NewCallback(func(uint32, uint32, *winsock.Overlapped, uint32) uintptr { return 0 }))
			require.Zero(t, p.SleepEx(0, true))
			p.WSASetLastError(winsock.WSAEINVAL)
			require.NoError(t, p.Exit())
		})
	}
}

func TestCurrentProcess(t *testing.T) {
	m := newMachine(t)
	p, other := start(t, m, machine.Plain), start(t, m, machine.Plain)
	restore := winsock.SetProcess(p)
	t.Run("in a test", func(t *testing.T) {
		winsock.Use(t, other)
		s, err := winsock.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
		require.NoError(t, err)
		require.NoError(t, other.Bind(s, loopback(0)), "the handle is of that process")
	})
	require.Equal(t, winsock.WSANOTINITIALISED, other.Closesocket(4), "which has exited with the test")
	s, err := winsock.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
	require.NoError(t, err)
	require.NoError(t, p.Closesocket(s))
	restore()
}

func TestLastErrorAndItsCause(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	require.Equal(t, winsock.ERROR_SUCCESS, p.WSAGetLastError())
	require.NoError(t, p.LastCause())
	_, err := acquire(p, udp(t, p), 40000, 2)
	require.NoError(t, err)
	err = bind4(p, udp(t, p), 40001)
	require.Equal(t, winsock.WSAEACCES, err)
	require.ErrorIs(t, err, reservation.ErrDenied, "a code is the condition that it stands for")
	udp(t, p)
	require.Equal(t, winsock.WSAEACCES, p.WSAGetLastError(), "success leaves it alone")
	var cause *reservation.Error
	require.True(t, errors.As(p.LastCause(), &cause))
	require.Equal(t, "40000-40001", cause.Conflict.Block.Range.String(), "who stands in the way")
	p.WSASetLastError(winsock.WSAEINTR)
	require.Equal(t, winsock.WSAEINTR, p.WSAGetLastError())
}

// Handles may be used, duplicated and closed by any number of goroutines; nothing stays open.
func TestHandlesAreSafeForConcurrentUse(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					useAndClose(t, p)
				}
			})
		}
		all.Wait()
		requireAllFree(t, p)
	})
}

// requireAllFree fails unless the process could have the whole dynamic range, as far as it goes for
// the engine. Where real sockets hold it strangers may stand in it, and it may be too many files.
func requireAllFree(t *testing.T, p *winsock.Process) {
	t.Helper()
	_, err := acquire(p, udp(t, p), 49152, 16384)
	var cause *reservation.Error
	if errors.As(p.LastCause(), &cause) && cause.Conflict != nil && cause.Conflict.Socket != nil {
		require.False(t, cause.Conflict.Socket.Ours, "%v", cause)
		return
	}
	if !errors.Is(err, winsock.WSAEMFILE) {
		require.NoError(t, err, "the whole dynamic range is free again")
	}
}

func useAndClose(t *testing.T, p *winsock.Process) {
	s, err := p.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
	if err != nil {
		t.Error(err)
		return
	}
	var users sync.WaitGroup
	users.Go(func() {
		_, _ = acquire(p, s, 0, 2)
		_ = p.Sendto(s, []byte("x"), 0, loopback(9))
	})
	users.Go(func() { _ = p.Bind(s, loopback(0)) })
	users.Go(func() {
		if twin, err := p.DuplicateInto(p, s); err == nil {
			_, _ = p.Getsockname(twin)
			_ = p.Closesocket(twin)
		}
	})
	users.Go(func() { _ = p.Closesocket(s) })
	users.Wait()
}
