package winsock_test

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// Controls complete at once and report it in every documented way.
func TestOverlappedControlCompletesAtOnce(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	event, err := p.CreateEvent(nil, 1, 0, nil)
	require.NoError(t, err)
	overlapped := winsock.Overlapped{HEvent: event}
	output := make([]byte, 16)
	var returned uint32
	call := func(input []byte, routine uintptr) error {
		return p.WSAIoctl(s, winsock.SIO_ACQUIRE_PORT_RESERVATION, memory(input), uint32(len(input)), &output[0], 16, &returned, &overlapped, routine)
	}
	require.NoError(t, call(rangeBytes(40000, 2), 0))
	require.EqualValues(t, 16, returned)
	require.Zero(t, overlapped.Internal)
	require.EqualValues(t, 16, overlapped.InternalHigh)
	state, err := p.WaitForSingleObject(event, 0)
	require.NoError(t, err)
	require.EqualValues(t, winsock.WAIT_OBJECT_0, state)
	var transferred, flags uint32
	require.NoError(t, p.WSAGetOverlappedResult(s, &overlapped, &transferred, true, &flags))
	require.EqualValues(t, 16, transferred)
	require.NoError(t, p.GetOverlappedResult(s, &overlapped, &transferred, false))
	require.Equal(t, winsock.WSAEFAULT, p.WSAGetOverlappedResult(s, nil, &transferred, true, &flags))
	require.Equal(t, winsock.WSAEFAULT, p.WSAGetOverlappedResult(s, &overlapped, nil, true, &flags))

	t.Run("with a completion routine", func(t *testing.T) {
		require.NoError(t, p.ResetEvent(event))
		var got []uint32
		routine := p.NewCallback(func(code, transferred uint32, o *winsock.Overlapped, flags uint32) uintptr {
			require.Same(t, &overlapped, o)
			got = append(got, code, transferred, flags)
			return 0
		})
		require.NoError(t, call(rangeBytes(40010, 2), routine))
		require.Empty(t, got, "it waits for an alertable sleep")
		require.Zero(t, p.SleepEx(0, false))
		require.Empty(t, got)
		require.EqualValues(t, winsock.WAIT_IO_COMPLETION, p.SleepEx(winsock.INFINITE, true))
		require.Equal(t, []uint32{0, 16, 0}, got)
		require.Zero(t, p.SleepEx(1, true), "it is called once")
		state, err := p.WaitForSingleObject(event, 0)
		require.NoError(t, err)
		require.EqualValues(t, winsock.WAIT_TIMEOUT, state, "a routine takes the event's place")
	})
	t.Run("with a routine that is none", func(t *testing.T) {
		require.Equal(t, winsock.WSAEFAULT, call(rangeBytes(40020, 2), 12345))
		require.Equal(t, winsock.WSAEFAULT, call(rangeBytes(40020, 2), p.NewCallback(func() {})))
		require.Equal(t, winsock.WSAEFAULT, call(rangeBytes(40020, 2), p.NewCallback(nil)))
		require.NoError(t, call(rangeBytes(40020, 2), 0), "nothing was reserved")
	})
	t.Run("a call that fails leaves the overlapped alone", func(t *testing.T) {
		overlapped.Internal, overlapped.InternalHigh = 7, 8
		require.Equal(t, winsock.WSAEADDRINUSE, call(rangeBytes(40000, 2), 0))
		require.EqualValues(t, 7, overlapped.Internal)
		require.EqualValues(t, 8, overlapped.InternalHigh)
		require.Zero(t, returned)
	})
}

// A receive goes on after it has returned 997 and ends with data.
func TestOverlappedReceive(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		s, port := bound(t, p, udp(t, p))
		event, err := p.CreateEvent(nil, 0, 0, nil)
		require.NoError(t, err)
		data := make([]byte, 10)
		buf := winsock.WSABuf{Len: 10, Buf: &data[0]}
		overlapped := winsock.Overlapped{HEvent: event}
		var flags, transferred uint32
		var from winsock.RawSockaddrAny
		fromlen := int32(16)
		require.Equal(t, winsock.WSA_IO_PENDING, p.WSARecvFrom(s, &buf, 1, nil, &flags, &from, &fromlen, &overlapped, nil))
		require.Equal(t, winsock.WSA_IO_INCOMPLETE, p.WSAGetOverlappedResult(s, &overlapped, &transferred, false, &flags))
		require.Equal(t, winsock.WSAEINVAL, p.WSARecvFrom(s, &buf, 1, nil, &flags, nil, nil, &overlapped, nil), "it is in use")

		require.NoError(t, p.Sendto(s, []byte("hello"), 0, loopback(port)))
		state, err := p.WaitForSingleObject(event, winsock.INFINITE)
		require.NoError(t, err)
		require.EqualValues(t, winsock.WAIT_OBJECT_0, state)
		require.NoError(t, p.WSAGetOverlappedResult(s, &overlapped, &transferred, true, &flags))
		require.EqualValues(t, 5, transferred)
		require.Equal(t, "hello", string(data[:5]))
		sender, err := from.Sockaddr()
		require.NoError(t, err)
		require.Equal(t, loopback(port), sender)
	})
}

func TestOverlappedSendEndsBeforeItReturns(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s, port := bound(t, p, udp(t, p))
	data := []byte("hello")
	buf := winsock.WSABuf{Len: 5, Buf: &data[0]}
	called := false
	routine := p.NewCallback(func(code, transferred uint32, _ *winsock.Overlapped, _ uint32) uintptr {
		called = code == 0 && transferred == 5
		return 0
	})
	var overlapped winsock.Overlapped
	// The C prototype wants a pointer where NewCallback gives a number.
	croutine := *(**byte)(unsafe.Pointer(&routine))
	require.NoError(t, p.WSASendto(s, &buf, 1, nil, 0, loopback(port), &overlapped, croutine))
	require.EqualValues(t, 5, overlapped.InternalHigh)
	p.SleepEx(0, true)
	require.True(t, called)
}

// What waits ends with 995 when it is cancelled, its socket is closed, or the process exits.
func TestOverlappedReceiveIsAborted(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, p *winsock.Process) {
		data := make([]byte, 10)
		buf := winsock.WSABuf{Len: 10, Buf: &data[0]}
		for name, abort := range map[string]func(s winsock.Handle, o *winsock.Overlapped) error{
			"cancelled":     p.CancelIoEx,
			"all cancelled": func(s winsock.Handle, _ *winsock.Overlapped) error { return p.CancelIoEx(s, nil) },
			"closed":        func(s winsock.Handle, _ *winsock.Overlapped) error { return p.Closesocket(s) },
		} {
			t.Run(name, func(t *testing.T) {
				s, _ := bound(t, p, udp(t, p))
				other := udp(t, p)
				var overlapped winsock.Overlapped
				var flags, transferred uint32
				require.Equal(t, winsock.ERROR_NOT_FOUND, p.CancelIoEx(other, &overlapped))
				require.Equal(t, winsock.WSA_IO_PENDING, p.WSARecv(s, &buf, 1, nil, &flags, &overlapped, nil))
				require.NoError(t, abort(s, &overlapped))
				err := p.WSAGetOverlappedResult(other, &overlapped, &transferred, true, &flags)
				require.Equal(t, winsock.WSA_OPERATION_ABORTED, err)
				require.Zero(t, transferred)
			})
		}
		t.Run("process gone", func(t *testing.T) {
			s, _ := bound(t, p, udp(t, p))
			var flags uint32
			ended := make(chan uint32, 1)
			routine := p.NewCallback(func(code, _ uint32, _ *winsock.Overlapped, _ uint32) uintptr {
				ended <- code
				return 0
			})
			croutine := *(**byte)(unsafe.Pointer(&routine))
			require.Equal(t, winsock.WSA_IO_PENDING, p.WSARecv(s, &buf, 1, nil, &flags, new(winsock.Overlapped), croutine))
			var sleeper sync.WaitGroup
			sleeper.Go(func() { p.SleepEx(winsock.INFINITE, false) })
			require.NoError(t, p.Exit())
			sleeper.Wait()
		})
	})
}

func TestEvents(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	wait := func(h winsock.Handle) uint32 {
		state, err := p.WaitForSingleObject(h, 0)
		require.NoError(t, err)
		return state
	}
	const set, unset = winsock.WAIT_OBJECT_0, uint32(winsock.WAIT_TIMEOUT)
	manual, err := p.CreateEvent(nil, 1, 1, nil)
	require.NoError(t, err)
	require.EqualValues(t, set, wait(manual))
	require.EqualValues(t, set, wait(manual), "a manual event stays set")
	require.NoError(t, p.ResetEvent(manual))
	require.Equal(t, unset, wait(manual))

	auto, err := p.CreateEvent(nil, 0, 0, nil)
	require.NoError(t, err)
	require.Equal(t, unset, wait(auto))
	require.NoError(t, p.SetEvent(auto))
	require.NoError(t, p.SetEvent(auto))
	require.EqualValues(t, set, wait(auto))
	require.Equal(t, unset, wait(auto), "another is reset by the wait that it ends")

	var waiter sync.WaitGroup
	waiter.Go(func() {
		state, err := p.WaitForSingleObject(auto, winsock.INFINITE)
		if err != nil || state != set {
			t.Errorf("waiting for the event: %v, %v", state, err)
		}
	})
	require.NoError(t, p.SetEvent(auto))
	waiter.Wait()

	require.Equal(t, winsock.WSAENOTSOCK, p.Closesocket(auto), "an event is no socket")
	require.NoError(t, p.CloseHandle(auto))
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.SetEvent(auto))
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, p.ResetEvent(udp(t, p)))
	state, err := p.WaitForSingleObject(auto, 0)
	require.Equal(t, winsock.ERROR_INVALID_HANDLE, err)
	require.Equal(t, uint32(winsock.WAIT_FAILED), state)
	waiter.Go(func() {
		if _, err := p.WaitForSingleObject(manual, winsock.INFINITE); err == nil {
			t.Error("a wait outlived its process")
		}
	})
	require.NoError(t, p.Exit())
	waiter.Wait()
}
