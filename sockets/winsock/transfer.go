package winsock

import (
	"context"
	"errors"
	"net/netip"
	"unsafe"

	"github.com/berthkit/berth/reservation"
)

// Limits on what a caller may claim about its memory, far above what a program has.
const (
	maxBuffers  = 1 << 16
	maxTransfer = 1 << 30
	maxDatagram = 1 << 16
)

// gather returns the memory of the buffers: WSAEFAULT for nil ones, WSAEINVAL for none at all,
// WSAENOBUFS for more than can be meant.
func gather(bufs *WSABuf, bufcnt uint32) (parts [][]byte, total int, err error) {
	switch {
	case bufs == nil:
		return nil, 0, WSAEFAULT
	case bufcnt == 0:
		return nil, 0, WSAEINVAL
	case bufcnt > maxBuffers:
		return nil, 0, WSAENOBUFS
	}
	for _, buf := range unsafe.Slice(bufs, bufcnt) { // the caller has promised bufcnt of them
		switch {
		case buf.Len == 0:
			continue
		case buf.Buf == nil:
			return nil, 0, WSAEFAULT
		case buf.Len > maxTransfer || total+int(buf.Len) > maxTransfer:
			return nil, 0, WSAENOBUFS
		}
		parts = append(parts, unsafe.Slice(buf.Buf, buf.Len)) // and so many bytes
		total += int(buf.Len)
	}
	return parts, total, nil
}

// Sendto sends p to an address, or, for a nil one, to the peer. An unbound UDP socket is bound
// first, as Bind to the wildcard and port 0 does it. It returns WSAENOTCONN without an address and a
// peer, WSAEMSGSIZE for what no datagram can hold, WSAEACCES for a broadcast without SO_BROADCAST,
// WSAESHUTDOWN after Shutdown, WSAEOPNOTSUPP for flags, and what Bind returns.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-sendto
func (p *Process) Sendto(fd Handle, data []byte, flags int, to Sockaddr) (err error) {
	s, err := p.socket(fd)
	if err != nil {
		return p.fail(err)
	}
	peer, err := s.destination(to)
	if err != nil {
		return p.fail(err)
	}
	_, err = p.send(s, data, uint32(flags), peer)
	return p.fail(err)
}

// WSASendto is [Process.Sendto] for several buffers, of which one datagram is made. The number of
// bytes goes to sent, which may be nil. An overlapped call ends before it returns; see
// [Process.WSAIoctl] for what becomes of the overlapped.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsasendto
func (p *Process) WSASendto(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, to Sockaddr, overlapped *Overlapped, croutine *byte) (err error) {
	return p.sendBuffers(s, bufs, bufcnt, sent, flags, func(s *socket) (netip.AddrPort, error) {
		return s.destination(to)
	}, overlapped, croutine)
}

// WSASendTo is WSASendto for an address in memory.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsasendto
func (p *Process) WSASendTo(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, to *RawSockaddrAny, tolen int32, overlapped *Overlapped, croutine *byte) (err error) {
	return p.sendBuffers(s, bufs, bufcnt, sent, flags, func(s *socket) (netip.AddrPort, error) {
		if to == nil {
			return netip.AddrPort{}, nil
		}
		return addressOf(to, tolen, s.family)
	}, overlapped, croutine)
}

// WSASend is WSASendto to the peer.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsasend
func (p *Process) WSASend(s Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, overlapped *Overlapped, croutine *byte) (err error) {
	return p.WSASendTo(s, bufs, bufcnt, sent, flags, nil, 0, overlapped, croutine)
}

func (s *socket) destination(to Sockaddr) (netip.AddrPort, error) {
	if to == nil {
		return netip.AddrPort{}, nil
	}
	return resolve(to, s.family)
}

func (p *Process) sendBuffers(h Handle, bufs *WSABuf, bufcnt uint32, sent *uint32, flags uint32, to func(*socket) (netip.AddrPort, error), overlapped *Overlapped, croutine *byte) error {
	s, err := p.socket(h)
	if err != nil {
		return p.fail(err)
	}
	peer, err := to(s)
	if err != nil {
		return p.fail(err)
	}
	parts, total, err := gather(bufs, bufcnt)
	if err != nil {
		return p.fail(err)
	}
	finish, err := p.completion(overlapped, uintptr(unsafe.Pointer(croutine))) // NewCallback's number is an address
	if err != nil {
		return p.fail(err)
	}
	var data []byte
	if len(parts) == 1 {
		data = parts[0]
	} else {
		data = make([]byte, 0, total)
		for _, part := range parts {
			data = append(data, part...)
		}
	}
	n, err := p.send(s, data, flags, peer)
	if err != nil {
		return p.fail(err)
	}
	if sent != nil {
		*sent = uint32(n)
	}
	finish(ERROR_SUCCESS, uint32(n))
	return nil
}

func (p *Process) send(s *socket, data []byte, flags uint32, peer netip.AddrPort) (int, error) {
	s.mu.Lock()
	shut, limit := s.sendShut, s.options.sendTimeout
	s.mu.Unlock()
	stream := s.protocol == reservation.TCP
	switch {
	case flags != 0:
		return 0, WSAEOPNOTSUPP
	case shut:
		return 0, WSAESHUTDOWN
	case !s.isConnected() && (stream || !peer.IsValid()):
		return 0, WSAENOTCONN
	case stream:
		peer = netip.AddrPort{} // a stream has one peer; Windows passes over the address, too
	case len(data) >= maxDatagram:
		return 0, WSAEMSGSIZE
	case peer.IsValid() && peer.Port() == 0:
		return 0, WSAEADDRNOTAVAIL
	}
	if err := s.bindImplicitly(p.ctx); err != nil {
		return 0, err
	}
	ctx, cancel, late := s.deadline(p.ctx, limit)
	defer cancel()
	n, err := s.network.Send(ctx, data, peer)
	return n, late(interrupted(err))
}

// Recvfrom waits for a datagram, or for a part of a stream, and returns its length and sender. At the
// end of a stream it returns 0. It returns WSAEINVAL for a UDP socket that is not bound, WSAENOTCONN
// for a TCP socket without a connection, WSAEMSGSIZE with the datagram's beginning for one that is
// longer than data, WSAEWOULDBLOCK if a non-blocking socket has nothing, WSAETIMEDOUT after
// SO_RCVTIMEO, WSAEINTR if the socket is closed meanwhile, WSAESHUTDOWN after Shutdown,
// WSAEOPNOTSUPP for flags.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-recvfrom
func (p *Process) Recvfrom(fd Handle, data []byte, flags int) (n int, from Sockaddr, err error) {
	s, err := p.socket(fd)
	if err != nil {
		return 0, nil, p.fail(err)
	}
	if err := s.mayReceive(uint32(flags)); err != nil {
		return 0, nil, p.fail(err)
	}
	n, peer, err := s.receive(p.ctx, data)
	return n, sockaddrOf(peer), p.fail(interrupted(err))
}

// WSARecvFrom is [Process.Recvfrom] into several buffers; the sender's address goes to from, which
// may be nil, and its length to fromlen, which says how much room there is. Without an overlapped
// the number of bytes goes to recvd, which must not be nil. With one it returns WSA_IO_PENDING, and
// the call ends when data comes; when the socket is closed, when [CancelIoEx] is called, or when the
// process exits it ends with WSA_OPERATION_ABORTED. The memory is the call's until then.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsarecvfrom
func (p *Process) WSARecvFrom(s Handle, bufs *WSABuf, bufcnt uint32, recvd *uint32, flags *uint32, from *RawSockaddrAny, fromlen *int32, overlapped *Overlapped, croutine *byte) (err error) {
	target, err := p.socket(s)
	if err != nil {
		return p.fail(err)
	}
	parts, total, err := gather(bufs, bufcnt)
	switch {
	case err != nil:
		return p.fail(err)
	case flags == nil, recvd == nil && overlapped == nil, from != nil && fromlen == nil:
		return p.fail(WSAEFAULT)
	case from != nil && *fromlen < sizeofInet4, from != nil && target.family == reservation.IPv6 && *fromlen < sizeofInet6:
		return p.fail(WSAEFAULT)
	}
	if err := target.mayReceive(*flags); err != nil {
		return p.fail(err)
	}
	finish, err := p.completion(overlapped, uintptr(unsafe.Pointer(croutine))) // NewCallback's number is an address
	if err != nil {
		return p.fail(err)
	}
	receive := func(ctx context.Context) (uint32, error) {
		n, peer, err := target.scatter(ctx, parts, total)
		if from != nil && peer.IsValid() {
			*fromlen = target.writeSender(from, peer)
		}
		return uint32(n), err
	}
	if overlapped == nil {
		n, err := receive(p.ctx)
		*recvd = n
		return p.fail(interrupted(err))
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.begin(overlapped, cancel)
	go func() { // ends with data, with the socket, with CancelIoEx, or with the process
		defer cancel()
		n, err := receive(ctx)
		finish(aborted(err), n)
	}()
	return p.fail(WSA_IO_PENDING)
}

// WSARecv is WSARecvFrom without the sender.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsarecv
func (p *Process) WSARecv(s Handle, bufs *WSABuf, bufcnt uint32, recvd *uint32, flags *uint32, overlapped *Overlapped, croutine *byte) (err error) {
	return p.WSARecvFrom(s, bufs, bufcnt, recvd, flags, nil, nil, overlapped, croutine)
}

// aborted returns the code that an overlapped call ends with.
func aborted(err error) Errno {
	switch {
	case err == nil:
		return ERROR_SUCCESS
	case errors.Is(err, reservation.ErrClosed), errors.Is(err, context.Canceled):
		return WSA_OPERATION_ABORTED
	}
	return codeOf(err)
}

// writeSender writes an address into memory that has room for one of the family, and no more.
func (s *socket) writeSender(to *RawSockaddrAny, peer netip.AddrPort) int32 {
	var raw RawSockaddrAny
	length := raw.put(peer)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(to)), length), raw.bytes(length))
	return length
}

func (s *socket) mayReceive(flags uint32) error {
	s.mu.Lock()
	shut := s.recvShut
	s.mu.Unlock()
	switch {
	case flags != 0:
		return WSAEOPNOTSUPP
	case shut:
		return WSAESHUTDOWN
	case s.protocol == reservation.TCP && !s.isConnected():
		return WSAENOTCONN
	case !s.isBound():
		return WSAEINVAL
	}
	return nil
}

func (s *socket) receive(ctx context.Context, data []byte) (int, netip.AddrPort, error) {
	s.mu.Lock()
	limit := s.options.receiveTimeout
	s.mu.Unlock()
	ctx, cancel, late := s.deadline(ctx, limit)
	defer cancel()
	n, peer, err := s.network.Receive(ctx, data)
	return n, peer, late(err)
}

// scatter receives into several buffers.
func (s *socket) scatter(ctx context.Context, parts [][]byte, total int) (int, netip.AddrPort, error) {
	if len(parts) == 1 {
		return s.receive(ctx, parts[0])
	}
	data := make([]byte, min(total, maxDatagram))
	n, peer, err := s.receive(ctx, data)
	rest := data[:n]
	for _, part := range parts {
		rest = rest[copy(part, rest):]
	}
	return n, peer, err
}
