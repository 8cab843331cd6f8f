package conformance_test

import (
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
	"github.com/berthkit/berth/sockets/winsock"
)

// Sockets.

func (tr *trial) openSocket() {
	s := tr.seat()
	if len(s.handles) == mostHandles {
		tr.closeSocket()
		return
	}
	opened := &modelSocket{process: s.number, user: s.user, protocol: tr.protocol(), ipv6: tr.random.IntN(3) == 0, handles: 1}
	family, typ, protocol := winsock.AF_INET, winsock.SOCK_DGRAM, int(opened.protocol)
	if opened.ipv6 {
		family = winsock.AF_INET6
	}
	if opened.protocol == reservation.TCP {
		typ = winsock.SOCK_STREAM
		if tr.random.IntN(4) == 0 {
			typ, protocol = 0, 0 // which is TCP
		}
	}
	h, err := s.winsock.Socket(family, typ, protocol)
	if tr.check(errno(err), codes{0}, "%d: socket(%d, %d, %d) = %d", s.number, family, typ, protocol, h) {
		tr.model.sockets = append(tr.model.sockets, opened)
		s.handles = append(s.handles, handle{h, opened})
	}
}

// onSocket returns the codes of a call on a socket: the model's where the handle names one.
func onSocket(h handle, allowed func() codes) codes {
	if h.socket == nil {
		return codes{win32.WSAENOTSOCK}
	}
	return allowed()
}

func success() codes { return codes{win32.ERROR_SUCCESS} }

func (tr *trial) closeSocket() {
	s, h := tr.user(false)
	allowed := onSocket(h, success)
	if !tr.check(errno(s.winsock.Closesocket(h.number)), allowed, "%d: closesocket(%d)", s.number, h.number) {
		return
	}
	tr.model.closeHandle(h.socket)
	for i := range s.handles {
		if s.handles[i].number == h.number {
			s.handles = append(s.handles[:i], s.handles[i+1:]...)
			return
		}
	}
}

func (tr *trial) duplicate() {
	s, h := tr.user(false)
	if h.socket == nil || len(s.handles) >= mostHandles {
		return
	}
	self := s.winsock.CurrentProcess()
	var second winsock.Handle
	err := s.winsock.DuplicateHandle(self, h.number, self, &second, 0, false, winsock.DUPLICATE_SAME_ACCESS)
	if tr.check(errno(err), codes{0}, "%d: DuplicateHandle(%d) = %d", s.number, h.number, second) {
		h.socket.handles++
		s.handles = append(s.handles, handle{second, h.socket})
	}
}

func (tr *trial) setOption() {
	s, h := tr.user(true)
	if h.socket != nil && h.socket.port != 0 {
		return
	}
	level, option, value := winsock.SOL_SOCKET, winsock.SO_REUSEADDR, 1
	switch tr.random.IntN(3) {
	case 0:
		option = winsock.SO_EXCLUSIVEADDRUSE
	case 1:
		level, option, value = winsock.IPPROTO_IPV6, winsock.IPV6_V6ONLY, 0
	}
	allowed := onSocket(h, func() codes {
		switch {
		case level == winsock.IPPROTO_IPV6 && !h.socket.ipv6:
			return codes{win32.WSAENOPROTOOPT}
		case option == winsock.SO_REUSEADDR && h.socket.exclusive, option == winsock.SO_EXCLUSIVEADDRUSE && h.socket.reuse:
			return codes{win32.WSAEINVAL}
		}
		return success()
	})
	if !tr.check(errno(s.winsock.SetsockoptInt(h.number, level, option, value)), allowed, "%d: setsockopt(%d, %#x, %#x, %d)", s.number, h.number, level, option, value) {
		return
	}
	switch option {
	case winsock.SO_REUSEADDR:
		h.socket.reuse = true
	case winsock.SO_EXCLUSIVEADDRUSE:
		h.socket.exclusive = true
	default:
		h.socket.dual = true
	}
}

// Controls.

func (tr *trial) acquire() {
	s, h := tr.user(false)
	first, count := tr.block(true)
	allowed := onSocket(h, func() codes { return tr.model.acquire(h.socket, first, count) })
	input, _ := win32.INET_PORT_RANGE{StartPort: win32.Htons(uint16(first)), NumberOfPorts: uint16(count)}.MarshalBinary()
	output, returned := make([]byte, 16), uint32(99)
	err := s.winsock.WSAIoctl(h.number, win32.SIO_ACQUIRE_PORT_RESERVATION, &input[0], 4, &output[0], 16, &returned, nil, 0)
	if !tr.check(errno(err), allowed, "%d: acquire(%d, %d+%d)", s.number, h.number, first, count) {
		require.Zero(tr.t, returned)
		return
	}
	var got win32.INET_PORT_RESERVATION_INSTANCE
	require.NoError(tr.t, got.UnmarshalBinary(output))
	start := int(win32.Ntohs(got.Reservation.StartPort))
	tr.note("  = %d+%d, token %#x", start, got.Reservation.NumberOfPorts, got.Token.Token)
	dynamic := tr.model.dynamic[h.socket.protocol]
	switch last := start + count - 1; {
	case returned != 16 || int(got.Reservation.NumberOfPorts) != count || first != 0 && start != first:
		tr.fail("acquire of %d+%d gave %d+%d in %d bytes", first, count, start, got.Reservation.NumberOfPorts, returned)
	case first == 0 && (start < dynamic[0] || last > dynamic[1] || tr.model.isTaken(h.socket.protocol, start, last)):
		tr.fail("acquire chose %d-%d, which is not free in the dynamic range %d", start, last, dynamic)
	}
	tr.keepToken(got.Token.Token)
	tr.model.add(&record{
		kind: runtimeRecord, protocol: h.socket.protocol, first: start, last: start + count - 1,
		token: got.Token.Token, owner: s.number, socket: h.socket,
	})
}

func (tr *trial) sendToken(s *seat, h handle, code uint32, token uint64) win32.Errno {
	returned := uint32(99)
	err := s.winsock.WSAIoctl(h.number, code, (*byte)(unsafe.Pointer(&token)), 8, nil, 0, &returned, nil, 0)
	require.Zero(tr.t, returned)
	return errno(err)
}

func (tr *trial) associate() {
	s, h := tr.user(true)
	token := tr.token(h.socket)
	allowed := onSocket(h, func() codes { return tr.model.associate(h.socket, s.elevated(), token) })
	if tr.check(tr.sendToken(s, h, win32.SIO_ASSOCIATE_PORT_RESERVATION, token), allowed, "%d: associate(%d, %#x)", s.number, h.number, token) {
		h.socket.associated = tr.model.withToken(token)
	}
}

func (tr *trial) release() {
	s, h := tr.user(false)
	token := tr.token(h.socket)
	allowed := onSocket(h, func() codes { return tr.model.release(h.socket, token) })
	if tr.check(tr.sendToken(s, h, win32.SIO_RELEASE_PORT_RESERVATION, token), allowed, "%d: release(%d, %#x)", s.number, h.number, token) {
		tr.model.drop(tr.model.withToken(token))
	}
}

// malformed makes controls that no socket takes: they change nothing.
func (tr *trial) malformed() {
	s, h := tr.user(false)
	var buffer [16]byte
	input, output := &buffer[0], &buffer[0]
	code, inputSize, outputSize := uint32(win32.SIO_ACQUIRE_PORT_RESERVATION), uint32(4), uint32(16)
	want := win32.WSAEINVAL
	switch tr.random.IntN(6) {
	case 0:
		code, want = 0xD8000064, win32.WSAEOPNOTSUPP // both direction bits
	case 1:
		input, want = nil, win32.WSAEFAULT
	case 2:
		output, want = nil, win32.WSAEFAULT
	case 3:
		inputSize = 3
	case 4:
		outputSize = 15
	default:
		code, inputSize = win32.SIO_RELEASE_PORT_RESERVATION, 7
	}
	allowed := onSocket(h, func() codes { return codes{want} })
	returned := uint32(99)
	err := s.winsock.WSAIoctl(h.number, code, input, inputSize, output, outputSize, &returned, nil, 0)
	tr.check(errno(err), allowed, "%d: WSAIoctl(%d, %#x, %d bytes, %d bytes)", s.number, h.number, code, inputSize, outputSize)
	require.Zero(tr.t, returned)
}

// Addresses.

// address chooses one of the computer's, or another, in the model's words and in Winsock's.
func (tr *trial) address(ipv6 bool, port int) (string, winsock.Sockaddr) {
	name := choose(tr.random, "*", "*", "*", "loopback", "loopback", "outer", foreignAddress)
	if name == foreignAddress && tr.random.IntN(5) > 0 {
		name = "*"
	}
	if ipv6 {
		sa := &winsock.SockaddrInet6{Port: port}
		switch name {
		case "loopback":
			sa.Addr[15] = 1
		case "outer":
			sa.Addr = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0x10}
		case foreignAddress:
			sa.Addr = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0x77}
		}
		return name, sa
	}
	sa := &winsock.SockaddrInet4{Port: port}
	switch name {
	case "loopback":
		sa.Addr = [4]byte{127, 0, 0, 1}
	case "outer":
		sa.Addr = [4]byte{192, 0, 2, 10}
	case foreignAddress:
		sa.Addr = [4]byte{198, 51, 100, 1}
	}
	return name, sa
}

func (tr *trial) bind() {
	s, h := tr.user(true)
	port := tr.bindPort(h.socket)
	name, sa := tr.address(h.socket != nil && h.socket.ipv6, port)
	allowed := onSocket(h, func() codes { return tr.model.bind(h.socket, name, port) })
	if tr.check(errno(s.winsock.Bind(h.number, sa)), allowed, "%d: bind(%d, %s:%d)", s.number, h.number, name, port) {
		tr.bound(s, h, name, port)
	}
}

// bindPort chooses a port: 0, one of the associated block, one that is taken, or any.
func (tr *trial) bindPort(s *modelSocket) int {
	switch n := tr.random.IntN(16); {
	case n < 3:
		return 0
	case n < 8 && s != nil && s.associated != nil:
		r := s.associated
		return r.first + tr.random.IntN(r.last-r.first+1)
	case n < 15 && len(tr.model.sockets) > 0:
		other := choose(tr.random, tr.model.sockets...)
		if other.port != 0 && (s == nil || other.protocol == s.protocol) {
			return other.port
		}
	}
	return firstNamed + tr.random.IntN(named)
}

// bound takes over what a bind did: asked is the port that was asked for.
func (tr *trial) bound(s *seat, h handle, address string, asked int) {
	port := tr.portOf(s, h)
	tr.note("  = port %d", port)
	if asked == 0 && !tr.model.mayChoose(h.socket, port) || asked != 0 && port != asked {
		tr.fail("bind to port %d gave port %d", asked, port)
	}
	h.socket.port, h.socket.address = port, address
}

func (tr *trial) portOf(s *seat, h handle) int {
	sa, err := s.winsock.Getsockname(h.number)
	require.NoError(tr.t, err)
	switch sa := sa.(type) {
	case *winsock.SockaddrInet4:
		return sa.Port
	case *winsock.SockaddrInet6:
		return sa.Port
	}
	tr.fail("getsockname gave a %T", sa)
	return 0
}

func (tr *trial) name() {
	s, h := tr.user(false)
	allowed := onSocket(h, func() codes {
		if h.socket.port == 0 {
			return codes{win32.WSAEINVAL}
		}
		return success()
	})
	_, err := s.winsock.Getsockname(h.number)
	if tr.check(errno(err), allowed, "%d: getsockname(%d)", s.number, h.number) && tr.portOf(s, h) != h.socket.port {
		tr.fail("getsockname gave port %d, the model has %d", tr.portOf(s, h), h.socket.port)
	}
}

// peer is where nobody listens, on the loopback address of the socket's family.
func peer(s *modelSocket) winsock.Sockaddr {
	if s != nil && s.ipv6 {
		return &winsock.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}}
	}
	return &winsock.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
}

// implicitly makes a call that binds an unbound socket as bind to the wildcard and port 0 does, and
// then ends in code.
func (tr *trial) implicitly(s *seat, h handle, code win32.Errno, function string, do func() error) {
	isBound := h.socket != nil && h.socket.port != 0
	allowed := onSocket(h, func() codes {
		if isBound {
			return codes{code}
		}
		if refusals := tr.model.bind(h.socket, "*", 0); refusals[0] != win32.ERROR_SUCCESS {
			return refusals
		}
		return codes{code}
	})
	got := errno(do())
	tr.check(got, allowed, "%d: %s(%d)", s.number, function, h.number)
	if h.socket != nil && !isBound && got == code {
		tr.bound(s, h, "*", 0)
	}
}

func (tr *trial) connect() {
	s, h := tr.user(true)
	code := win32.ERROR_SUCCESS
	if h.socket != nil && h.socket.protocol == reservation.TCP {
		code = win32.WSAECONNREFUSED
	}
	tr.implicitly(s, h, code, "connect", func() error { return s.winsock.Connect(h.number, peer(h.socket)) })
}

func (tr *trial) send() {
	s, h := tr.user(true)
	send := func() error { return s.winsock.Sendto(h.number, []byte("x"), 0, peer(h.socket)) }
	if h.socket != nil && h.socket.protocol == reservation.TCP {
		tr.check(errno(send()), codes{win32.WSAENOTCONN}, "%d: sendto(%d)", s.number, h.number)
		return
	}
	tr.implicitly(s, h, win32.ERROR_SUCCESS, "sendto", send)
}

// Persistent reservations.

func (tr *trial) create() {
	s, protocol := tr.administrator(), tr.protocol()
	first, count := tr.block(false)
	token := uint64(0)
	place := &token
	if tr.random.IntN(50) == 0 {
		place = nil
	}
	allowed := tr.model.create(protocol, s.elevated(), first, count, place != nil)
	function := s.dll.CreatePersistentUdpPortReservation
	if protocol == reservation.TCP {
		function = s.dll.CreatePersistentTcpPortReservation
	}
	code := win32.Errno(function(win32.Htons(uint16(first)), uint16(count), place))
	if tr.check(code, allowed, "%d: create(%s %d+%d)", s.number, protocol, first, count) {
		tr.keepToken(token)
		tr.model.add(&record{kind: persistentRecord, protocol: protocol, first: first, last: first + count - 1, token: token})
	}
}

func (tr *trial) lookup() {
	s := tr.seat()
	protocol, first, count := tr.existing(persistentRecord)
	tr.lookupFrom(s, protocol, first, count)
}

func (tr *trial) lookupFrom(s *seat, protocol reservation.Protocol, first, count int) {
	function := s.dll.LookupPersistentUdpPortReservation
	if protocol == reservation.TCP {
		function = s.dll.LookupPersistentTcpPortReservation
	}
	token := uint64(0)
	code := win32.Errno(function(win32.Htons(uint16(first)), uint16(count), &token))
	if !tr.check(code, tr.model.lookup(protocol, first, count, true), "%d: lookup(%s %d+%d)", s.number, protocol, first, count) {
		require.Zero(tr.t, token)
		return
	}
	r := tr.model.find(persistentRecord, protocol, first, count)
	if r.token == 0 { // the first lookup since the boot
		tr.keepToken(token)
		r.token = token
	}
	if token != r.token {
		tr.fail("lookup gave token %#x, the reservation has %#x", token, r.token)
	}
}

func (tr *trial) delete() {
	s := tr.administrator()
	protocol, first, count := tr.existing(persistentRecord)
	function := s.dll.DeletePersistentUdpPortReservation
	if protocol == reservation.TCP {
		function = s.dll.DeletePersistentTcpPortReservation
	}
	code := win32.Errno(function(win32.Htons(uint16(first)), uint16(count)))
	if tr.check(code, tr.model.delete(protocol, s.elevated(), first, count), "%d: delete(%s %d+%d)", s.number, protocol, first, count) {
		tr.model.drop(tr.model.find(persistentRecord, protocol, first, count))
	}
}
