package winsock

import (
	"context"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// A control is one control code: the bytes that it takes and gives, and what it does. Where it
// takes a fixed number of bytes more may be offered; they are not read.
type control struct {
	input  int  // bytes that it needs
	output int  // bytes that it gives; 0: there must be no output buffer
	before bool // the socket must not be bound
	run    func(ctx context.Context, s *socket, input, output []byte) error
}

var controls = map[uint32]control{
	SIO_ACQUIRE_PORT_RESERVATION: {
		input: win32.SizeofINET_PORT_RANGE, output: win32.SizeofINET_PORT_RESERVATION_INSTANCE, run: acquire,
	},
	SIO_RELEASE_PORT_RESERVATION:   {input: win32.SizeofINET_PORT_RESERVATION_TOKEN, run: release},
	SIO_ASSOCIATE_PORT_RESERVATION: {input: win32.SizeofINET_PORT_RESERVATION_TOKEN, before: true, run: associate},
	SIO_CPU_AFFINITY:               {input: 2, before: true, run: shareByProcessor},
	FIONBIO:                        {input: 4, run: setNonBlocking},
	SIO_UDP_CONNRESET:              {input: 4, run: acceptControl},
	SIO_UDP_NETRESET:               {input: 4, run: acceptControl},
	SIO_KEEPALIVE_VALS:             {input: 12, run: acceptControl},
}

// most bytes that a control takes or gives.
const maxControl = 16

// WSAIoctl controls a socket. These are the codes that do something:
//
//   - [SIO_ACQUIRE_PORT_RESERVATION] takes an INET_PORT_RANGE (4 bytes, start port in network order;
//     0 lets the system choose) and gives an INET_PORT_RESERVATION_INSTANCE (16 bytes).
//   - [SIO_ASSOCIATE_PORT_RESERVATION] and [SIO_RELEASE_PORT_RESERVATION] take a token (8 bytes).
//   - [SIO_CPU_AFFINITY] takes a processor's number (2 bytes): sockets of one user that have called
//     it may bind one port together.
//   - [FIONBIO] takes 4 bytes; not 0 makes the socket non-blocking.
//
// It also accepts SIO_UDP_CONNRESET, SIO_UDP_NETRESET and SIO_KEEPALIVE_VALS.
//
// Every control completes at once. With an overlapped it therefore returns nil like without one, and
// afterwards the overlapped holds code 0 and the number of bytes, its event is set, or else the
// completion routine (see [NewCallback]) waits for [SleepEx]; that is what Windows documents for an
// operation that completes immediately. A call that fails leaves the overlapped alone. cbbr may be
// nil only with an overlapped. It is set to 16 by acquire and to 0 by the others and by calls that fail.
//
// It returns WSAENOTSOCK; WSAEOPNOTSUPP for an unknown code (0xD8000064, the spelling of acquire with
// both direction bits, is one) and for a socket that is neither UDP nor TCP; WSAEFAULT for a nil
// pointer; WSAEINVAL for a buffer that is too small, for an output buffer where there is no output,
// for a bad range or token, and for an associate after bind; WSAEACCES for a persistent token if the
// caller is no elevated administrator and for a token of another process; WSAEADDRINUSE for a block
// that overlaps another or has a bound port; WSAENOBUFS if no block of the size is free; WSAEINTR if
// the socket is closed meanwhile; WSAENETDOWN if the engine fails in a way of its own. WSAEINPROGRESS,
// which the pages list, is a relic of Winsock 1.1.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsaioctl
func (p *Process) WSAIoctl(s Handle, iocc uint32, inbuf *byte, cbif uint32, outbuf *byte, cbob uint32, cbbr *uint32, overlapped *Overlapped, completionRoutine uintptr) (err error) {
	if cbbr != nil {
		*cbbr = 0
	}
	target, err := p.socket(s)
	if err != nil {
		return p.fail(err)
	}
	if cbbr == nil && overlapped == nil {
		return p.fail(WSAEFAULT)
	}
	finish, err := p.completion(overlapped, completionRoutine)
	if err != nil {
		return p.fail(err)
	}
	c, known := controls[iocc]
	if !known {
		return p.fail(fmt.Errorf("%w: control code %#x", WSAEOPNOTSUPP, iocc))
	}
	if err := c.check(inbuf, cbif, outbuf, cbob); err != nil {
		return p.fail(err)
	}
	// The control works on a copy: no more than c.input bytes of the caller's memory are read and no
	// more than c.output are written, whatever lengths the caller claims.
	var input, output [maxControl]byte
	copy(input[:], unsafe.Slice(inbuf, c.input))
	if err := target.control(p.ctx, c, input[:c.input], output[:c.output]); err != nil {
		if _, open := p.find(s); !open { // it was closed meanwhile
			err = interrupted(err)
		}
		return p.fail(err)
	}
	if c.output > 0 {
		copy(unsafe.Slice(outbuf, c.output), output[:])
	}
	if cbbr != nil {
		*cbbr = uint32(c.output)
	}
	finish(ERROR_SUCCESS, uint32(c.output))
	return nil
}

// check looks at the buffers: nil ones first (WSAEFAULT), then their sizes (WSAEINVAL, as the pages
// of the controls have it; that of WSAIoctl says WSAEFAULT).
func (c *control) check(inbuf *byte, cbif uint32, outbuf *byte, cbob uint32) error {
	switch {
	case inbuf == nil, c.output > 0 && outbuf == nil:
		return WSAEFAULT
	case int64(cbif) < int64(c.input):
		return fmt.Errorf("%w: an input buffer of %d bytes, want %d", WSAEINVAL, cbif, c.input)
	case int64(cbob) < int64(c.output):
		return fmt.Errorf("%w: an output buffer of %d bytes, want %d", WSAEINVAL, cbob, c.output)
	case c.output == 0 && cbob != 0:
		return fmt.Errorf("%w: an output buffer of %d bytes where there is no output", WSAEINVAL, cbob)
	}
	return nil
}

func (s *socket) control(ctx context.Context, c control, input, output []byte) error {
	if c.before {
		s.binding.Lock()
		defer s.binding.Unlock()
		if s.isBound() {
			return fmt.Errorf("%w: the socket is bound", reservation.ErrState)
		}
	}
	return c.run(ctx, s, input, output)
}

// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-acquire-port-reservation
func acquire(ctx context.Context, s *socket, input, output []byte) error {
	var asked win32.INET_PORT_RANGE
	if err := asked.UnmarshalBinary(input); err != nil {
		return err
	}
	held, err := s.endpoint.Acquire(ctx, reservation.Request{
		First: win32.Ntohs(asked.StartPort), Count: int(asked.NumberOfPorts),
	})
	if err != nil {
		return err
	}
	instance, err := win32.ReservationInstance(held).MarshalBinary()
	copy(output, instance)
	return err
}

// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-release-port-reservation
func release(ctx context.Context, s *socket, input, _ []byte) error {
	token, err := tokenOf(input)
	if err != nil {
		return err
	}
	return s.endpoint.Release(ctx, token)
}

// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-associate-port-reservation
func associate(ctx context.Context, s *socket, input, _ []byte) error {
	token, err := tokenOf(input)
	if err != nil {
		return err
	}
	return s.endpoint.Associate(ctx, token)
}

func tokenOf(input []byte) (reservation.Token, error) {
	var token win32.INET_PORT_RESERVATION_TOKEN
	err := token.UnmarshalBinary(input)
	return reservation.Token(token.Token), err
}

// shareByProcessor lets sockets share a port, which on Windows each processor has one of. Which
// processor it is does not matter here.
//
// Source: ws2def.h, and MsQuic's src/platform/datapath_winuser.c, which binds its sockets this way
func shareByProcessor(_ context.Context, s *socket, _, _ []byte) error {
	s.mu.Lock()
	changed := s.options
	s.mu.Unlock()
	changed.shared = true
	return s.keep(changed)
}

// https://learn.microsoft.com/en-us/windows/win32/winsock/winsock-ioctls
func setNonBlocking(_ context.Context, s *socket, input, _ []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.nonBlocking = binary.NativeEndian.Uint32(input) != 0
	return nil
}

// acceptControl is for what tunes something that networks here do in their own way.
func acceptControl(context.Context, *socket, []byte, []byte) error { return nil }
