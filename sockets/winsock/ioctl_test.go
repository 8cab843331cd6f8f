package winsock_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// memory is a caller's buffer; a nil one has no address.
func memory(b []byte) *byte {
	if b == nil {
		return nil
	}
	return &b[0]
}

func rangeBytes(first, count uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, first)
	return binary.NativeEndian.AppendUint16(b, count)
}

func tokenBytes(token uint64) []byte { return binary.NativeEndian.AppendUint64(nil, token) }

// The buffers of a control, checked before anything happens: nil ones are WSAEFAULT, sizes WSAEINVAL.
func TestIoctlLooksAtItsBuffersFirst(t *testing.T) {
	const acquire, release, associate = winsock.SIO_ACQUIRE_PORT_RESERVATION, winsock.SIO_RELEASE_PORT_RESERVATION, winsock.SIO_ASSOCIATE_PORT_RESERVATION
	const huge = 1<<32 - 1
	full := make([]byte, 16)
	for _, row := range []struct {
		name  string
		code  uint32
		input []byte
		cbif  uint32
		out   []byte
		cbob  uint32
		want  winsock.Errno
	}{
		{"acquire without input", acquire, nil, 4, full, 16, winsock.WSAEFAULT},
		{"acquire without input, of no length", acquire, nil, 0, full, 16, winsock.WSAEFAULT},
		{"acquire with short input", acquire, rangeBytes(0, 1), 3, full, 16, winsock.WSAEINVAL},
		{"acquire without output", acquire, rangeBytes(0, 1), 4, nil, 16, winsock.WSAEFAULT},
		{"acquire without output, of no length", acquire, rangeBytes(0, 1), 4, nil, 0, winsock.WSAEFAULT},
		{"acquire with short output", acquire, rangeBytes(0, 1), 4, full, 15, winsock.WSAEINVAL},
		{"acquire with output for a token", acquire, rangeBytes(0, 1), 4, full, 8, winsock.WSAEINVAL},
		{"acquire of no ports", acquire, rangeBytes(40000, 0), 4, full, 16, winsock.WSAEINVAL},
		{"acquire of no ports anywhere", acquire, rangeBytes(0, 0), 4, full, 16, winsock.WSAEINVAL},
		{"acquire past port 65535", acquire, rangeBytes(65535, 2), 4, full, 16, winsock.WSAEINVAL},
		{"acquire of too many ports", acquire, rangeBytes(0, 65535), 4, full, 16, winsock.WSAENOBUFS},
		{"release without input", release, nil, 8, nil, 0, winsock.WSAEFAULT},
		{"release with short input", release, tokenBytes(1), 7, nil, 0, winsock.WSAEINVAL},
		{"release with output", release, tokenBytes(1), 8, full, 16, winsock.WSAEINVAL},
		{"release of token 0", release, tokenBytes(0), 8, nil, 0, winsock.WSAEINVAL},
		{"release of an unknown token", release, tokenBytes(77), 8, nil, 0, winsock.WSAEINVAL},
		{"associate without input", associate, nil, 8, nil, 0, winsock.WSAEFAULT},
		{"associate with short input", associate, tokenBytes(1), 4, nil, 0, winsock.WSAEINVAL},
		{"associate with output", associate, tokenBytes(1), 8, full, 16, winsock.WSAEINVAL},
		{"associate with output of a nil buffer", associate, tokenBytes(1), 8, nil, huge, winsock.WSAEINVAL},
		{"associate with token 0", associate, tokenBytes(0), 8, nil, 0, winsock.WSAEINVAL},
		{"associate with an unknown token", associate, tokenBytes(77), 8, nil, 0, winsock.WSAEINVAL},
		{"processor without input", winsock.SIO_CPU_AFFINITY, nil, 2, nil, 0, winsock.WSAEFAULT},
		{"processor with short input", winsock.SIO_CPU_AFFINITY, []byte{0}, 1, nil, 0, winsock.WSAEINVAL},
		{"acquire spelled with both directions (R12)", 0xd8000064, rangeBytes(40000, 1), 4, full, 16, winsock.WSAEOPNOTSUPP},
		{"release spelled with both directions (R12)", 0xd8000065, rangeBytes(40000, 1), 4, full, 16, winsock.WSAEOPNOTSUPP},
		{"extension functions", winsock.SIO_GET_EXTENSION_FUNCTION_POINTER, full, 16, full, 8, winsock.WSAEOPNOTSUPP},
		{"code 0", 0, full, 16, full, 16, winsock.WSAEOPNOTSUPP},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := start(t, newMachine(t), machine.Plain)
			for _, s := range []winsock.Handle{udp(t, p), tcp(t, p)} {
				returned := uint32(99)
				err := p.WSAIoctl(s, row.code, memory(row.input), row.cbif, memory(row.out), row.cbob, &returned, nil, 0)
				require.Equal(t, row.want, err, "cause: %v", p.LastCause())
				require.Equal(t, row.want, p.WSAGetLastError())
				require.ErrorIs(t, err, row.want)
				require.Zero(t, returned, "bytes returned by a call that fails")
			}
		})
	}
}

func TestIoctlWantsASocket(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	var returned uint32
	call := func(s winsock.Handle) error {
		return p.WSAIoctl(s, winsock.SIO_ACQUIRE_PORT_RESERVATION, memory(rangeBytes(0, 1)), 4, memory(make([]byte, 16)), 16, &returned, nil, 0)
	}
	event, err := p.CreateEvent(nil, 0, 0, nil)
	require.NoError(t, err)
	closed := udp(t, p)
	require.NoError(t, p.Closesocket(closed))
	for _, h := range []winsock.Handle{0, 1, winsock.InvalidHandle, event, closed} {
		require.Equal(t, winsock.WSAENOTSOCK, call(h), "handle %v", h)
	}
	local := open(t, p, winsock.AF_UNIX, winsock.SOCK_STREAM, 0)
	require.Equal(t, winsock.WSAEOPNOTSUPP, call(local), "a socket that is neither UDP nor TCP")
}

func TestIoctlWantsSomewhereToTellTheBytes(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	err := p.WSAIoctl(s, winsock.SIO_ACQUIRE_PORT_RESERVATION, memory(rangeBytes(0, 1)), 4, memory(make([]byte, 16)), 16, nil, nil, 0)
	require.Equal(t, winsock.WSAEFAULT, err)
	var overlapped winsock.Overlapped
	err = p.WSAIoctl(s, winsock.SIO_ACQUIRE_PORT_RESERVATION, memory(rangeBytes(0, 1)), 4, memory(make([]byte, 16)), 16, nil, &overlapped, 0)
	require.NoError(t, err, "with an overlapped it may be nil")
}

// More room than is needed is no error, and is left alone.
func TestAcquireWritesItsInstanceAndNoMore(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	input := append(rangeBytes(40000, 3), 1, 2, 3)
	output := make([]byte, 32)
	for i := range output {
		output[i] = 0xaa
	}
	var returned uint32
	err := p.WSAIoctl(udp(t, p), winsock.SIO_ACQUIRE_PORT_RESERVATION, &input[0], 7, &output[0], 32, &returned, nil, 0)
	require.NoError(t, err)
	require.EqualValues(t, 16, returned)
	require.Equal(t, []byte{0x9c, 0x40}, output[:2], "the start port in network order")
	require.EqualValues(t, 3, binary.NativeEndian.Uint16(output[2:]), "the count in the processor's")
	require.Equal(t, make([]byte, 4), output[4:8], "padding")
	require.NotZero(t, binary.NativeEndian.Uint64(output[8:]))
	for _, b := range output[16:] {
		require.EqualValues(t, 0xaa, b)
	}
}

func TestTokensAreRefused(t *testing.T) {
	m := newMachine(t)
	admin := m.Process("root", machine.Elevated)
	defer admin.Exit()
	persistent, err := admin.CreatePersistent(context.Background(), reservation.UDP, pool.MustParseRange("42000+10"), "")
	require.NoError(t, err)
	other := start(t, m, machine.Elevated)
	foreign, err := acquire(other, udp(t, other), 41000, 2)
	require.NoError(t, err)
	p := start(t, m, machine.Administrator)
	ofTCP, err := acquire(p, tcp(t, p), 41000, 2)
	require.NoError(t, err)
	own, err := acquire(p, udp(t, p), 40000, 2)
	require.NoError(t, err)

	for _, row := range []struct {
		name  string
		token uint64
		call  func(*winsock.Process, winsock.Handle, uint64) error
		want  winsock.Errno
	}{
		{"associate persistent without elevation", uint64(persistent), associate, winsock.WSAEACCES},
		{"release persistent", uint64(persistent), release, winsock.WSAEINVAL},
		{"associate another process's", foreign.token, associate, winsock.WSAEACCES},
		{"release another process's", foreign.token, release, winsock.WSAEACCES},
		{"associate a TCP token with a UDP socket", ofTCP.token, associate, winsock.WSAEINVAL},
		{"release a TCP token by a UDP socket", ofTCP.token, release, winsock.WSAEINVAL},
	} {
		require.Equal(t, row.want, row.call(p, udp(t, p), row.token), row.name)
	}
	bound := udp(t, p)
	require.NoError(t, bind4(p, bound, 0))
	require.Equal(t, winsock.WSAEINVAL, associate(p, bound, own.token), "associate after bind")

	s := udp(t, other)
	require.NoError(t, associate(other, s, uint64(persistent)), "an elevated process may")
	require.NoError(t, bind4(other, s, 0))
	require.Equal(t, 42000, localPort(t, other, s))

	require.NoError(t, release(p, bound, own.token), "any socket of the acquirer may release")
	require.Equal(t, winsock.WSAEINVAL, release(p, bound, own.token), "and only once")
}

func TestAcquireIsRefused(t *testing.T) {
	m := newMachine(t)
	administer(t, m)
	p := start(t, m, machine.Plain)
	s := udp(t, p)
	_, err := acquire(p, s, 40000, 10)
	require.NoError(t, err)
	require.NoError(t, bind4(p, udp(t, p), 45000))
	for _, first := range []uint16{40000, 40009, 39995, 42005, 43009, 44995} {
		_, err := acquire(p, s, first, 10)
		require.Equal(t, winsock.WSAEADDRINUSE, err, "10 ports from %d on", first)
		require.ErrorIs(t, p.LastCause(), reservation.ErrInUse)
	}
	_, err = acquire(p, tcp(t, p), 40000, 10)
	require.NoError(t, err, "TCP has ports of its own")
}

// After a boot the old token is dead, and so is whoever had it.
func TestTokensDieWithTheBoot(t *testing.T) {
	m := newMachine(t)
	before := start(t, m, machine.Plain)
	held, err := acquire(before, udp(t, before), 40000, 2)
	require.NoError(t, err)
	require.NoError(t, m.Reboot())
	_, err = before.Socket(winsock.AF_INET, winsock.SOCK_DGRAM, 0)
	require.Equal(t, winsock.WSAENOTSOCK, err, "a process of before is gone")

	after := start(t, m, machine.Plain)
	require.Equal(t, winsock.WSAEINVAL, associate(after, udp(t, after), held.token))
	_, err = acquire(after, udp(t, after), 40000, 2)
	require.NoError(t, err, "and so is its reservation")
}

func TestPortsReturnWithTheSocket(t *testing.T) {
	m := newMachine(t)
	p, other := start(t, m, machine.Plain), start(t, m, machine.Plain)
	s := udp(t, p)
	_, err := acquire(p, s, 40000, 2)
	require.NoError(t, err)
	_, err = acquire(other, udp(t, other), 40000, 2)
	require.Equal(t, winsock.WSAEADDRINUSE, err)
	require.NoError(t, p.Closesocket(s))
	_, err = acquire(other, udp(t, other), 40000, 2)
	require.NoError(t, err)

	require.NoError(t, other.Exit())
	_, err = acquire(p, udp(t, p), 40000, 2)
	require.NoError(t, err, "the end of a process closes its sockets")
}

func TestControlsThatOnlyTune(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	for _, code := range []uint32{winsock.SIO_UDP_CONNRESET, winsock.SIO_UDP_NETRESET, winsock.SIO_KEEPALIVE_VALS, winsock.FIONBIO} {
		returned := uint32(99)
		require.NoError(t, p.WSAIoctl(s, code, memory(make([]byte, 12)), 12, nil, 0, &returned, nil, 0), fmt.Sprintf("%#x", code))
		require.Zero(t, returned)
	}
}

// A non-blocking socket's controls complete at once, like any other's.
func TestControlsOfNonBlockingSocketsComplete(t *testing.T) {
	p := start(t, newMachine(t), machine.Plain)
	s := udp(t, p)
	setNonBlocking(t, p, s)
	held, err := acquire(p, s, 0, 4)
	require.NoError(t, err)
	require.NoError(t, associate(p, s, held.token))
	require.NoError(t, release(p, s, held.token))
}

func setNonBlocking(t *testing.T, p *winsock.Process, s winsock.Handle) {
	t.Helper()
	var returned uint32
	require.NoError(t, p.WSAIoctl(s, winsock.FIONBIO, memory([]byte{1, 1, 1, 1}), 4, nil, 0, &returned, nil, 0))
}

// Whatever a caller passes, nothing panics, hangs or is lost: after the last handle is closed the
// machine has no socket and no runtime reservation, which its helper checks at the end.
func FuzzWSAIoctl(f *testing.F) {
	f.Add(uint32(winsock.SIO_ACQUIRE_PORT_RESERVATION), rangeBytes(40000, 10), uint32(4), uint32(16), byte(0))
	f.Add(uint32(winsock.SIO_ACQUIRE_PORT_RESERVATION), rangeBytes(0, 64), uint32(4), uint32(16), byte(1))
	f.Add(uint32(winsock.SIO_RELEASE_PORT_RESERVATION), tokenBytes(1), uint32(8), uint32(0), byte(2))
	f.Add(uint32(winsock.SIO_ASSOCIATE_PORT_RESERVATION), tokenBytes(0), uint32(8), uint32(0), byte(4))
	f.Add(uint32(winsock.SIO_CPU_AFFINITY), []byte{0, 0}, uint32(2), uint32(0), byte(8))
	f.Add(uint32(winsock.FIONBIO), []byte{1, 0, 0, 0}, uint32(4), uint32(0), byte(16))
	f.Add(uint32(0xd8000064), rangeBytes(40000, 10), uint32(1<<32-1), uint32(1<<32-1), byte(255))
	m, err := machine.New(machine.Config{Seed: 1})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, m.Close()) })
	f.Fuzz(func(t *testing.T, code uint32, input []byte, cbif, cbob uint32, how byte) {
		program := m.Process("ada", machine.Plain)
		defer program.Exit()
		p := winsock.New(program.API(), program.Network())
		defer p.Exit()
		s := open(t, p, winsock.AF_INET, winsock.SOCK_DGRAM, 0)
		var in, out [64]byte // the memory is real: only the lengths may lie
		copy(in[:], input)
		inbuf, outbuf := &in[0], &out[0]
		returned := uint32(99)
		cbbr, overlapped := &returned, (*winsock.Overlapped)(nil)
		for bit, change := range []func(){
			func() { inbuf = nil },
			func() { outbuf = nil },
			func() { cbbr = nil },
			func() { overlapped = new(winsock.Overlapped) },
			func() { _ = bind4(p, s, 0) },
			func() { s = winsock.Handle(cbif) },
		} {
			if how>>bit&1 == 1 {
				change()
			}
		}
		for range 2 {
			err := p.WSAIoctl(s, code, inbuf, cbif, outbuf, cbob, cbbr, overlapped, uintptr(how>>6))
			if err == nil {
				require.LessOrEqual(t, returned, uint32(99))
				continue
			}
			require.IsType(t, winsock.Errno(0), err)
			require.Contains(t, []winsock.Errno{
				winsock.WSAEACCES, winsock.WSAEFAULT, winsock.WSAEINVAL, winsock.WSAENOTSOCK,
				winsock.WSAEOPNOTSUPP, winsock.WSAEADDRINUSE, winsock.WSAENOBUFS,
			}, err)
			if cbbr != nil {
				require.Zero(t, returned)
			}
		}
		require.NoError(t, p.Exit())
		require.Empty(t, m.Leaks())
	})
}
