package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/berthkit/berth/reservation/win32"
	"github.com/berthkit/berth/sockets/winsock"
)

// winsockCommands are the functions of ws2_32.dll that take sockets.
var winsockCommands = []*command{
	{name: "WSAStartup", acts: byProcess, about: "begin to use Winsock 2.2", run: startup},
	{name: "WSACleanup", acts: byProcess, about: "undo one WSAStartup", run: cleanup},
	{name: "WSAGetLastError", acts: byProcess, about: "tell the code of the last call that failed", run: lastError},
	{name: "socket", acts: byProcess, params: "AF TYPE PROTOCOL", about: "open a socket", least: 3, most: 3, assigns: true, run: openSocket},
	{name: "WSASocket", acts: byProcess, params: "AF TYPE PROTOCOL", about: "open a socket for overlapped calls", least: 3, most: 3, assigns: true, run: openSocket},
	{name: "setsockopt", acts: byProcess, params: "SOCKET LEVEL OPTION VALUE", about: "set an option", least: 4, most: 4, run: setOption},
	{name: "getsockopt", acts: byProcess, params: "SOCKET LEVEL OPTION", about: "tell an option", least: 3, most: 3, run: getOption},
	{name: "WSAIoctl", acts: byProcess, params: "SOCKET CODE IN [OUT]", about: "acquire, associate or release a reservation, and other controls", least: 3, most: 4, run: control},
	{name: "bind", acts: byProcess, params: "SOCKET ADDRESS:PORT", about: "give a socket its address", least: 2, most: 2, run: bind},
	{name: "connect", acts: byProcess, params: "SOCKET ADDRESS:PORT", about: "connect a socket", least: 2, most: 2, run: connect},
	{name: "listen", acts: byProcess, params: "SOCKET", about: "let a TCP socket accept connections", least: 1, most: 1, run: listen},
	{name: "accept", acts: byProcess, params: "SOCKET", about: "take a connection that waits", least: 1, most: 1, assigns: true, run: accept},
	{name: "getsockname", acts: byProcess, params: "SOCKET", about: "tell a socket's address", least: 1, most: 1, assigns: true, run: localAddress},
	{name: "getpeername", acts: byProcess, params: "SOCKET", about: "tell its peer's address", least: 1, most: 1, assigns: true, run: peerAddress},
	{name: "send", acts: byProcess, params: `SOCKET "DATA"`, about: "send to the peer", least: 2, most: 2, takesData: true, run: send},
	{name: "sendto", acts: byProcess, params: `SOCKET "DATA" ADDRESS:PORT`, about: "send to an address", least: 3, most: 3, takesData: true, run: send},
	{name: "recvfrom", acts: byProcess, params: "SOCKET [SIZE]", about: "receive what waits", least: 1, most: 2, run: receive},
	{name: "shutdown", acts: byProcess, params: "SOCKET HOW", about: "end sending, receiving or both", least: 2, most: 2, run: shutDown},
	{name: "closesocket", acts: byProcess, params: "SOCKET", about: "close a socket", least: 1, most: 1, run: closeSocket},
	{name: "CloseHandle", acts: byProcess, params: "SOCKET", about: "close a handle", least: 1, most: 1, run: closeHandle},
	{name: "DuplicateHandle", acts: byProcess, params: "SOCKET [PROCESS]", about: "make a second handle, for this process or another", least: 1, most: 2, assigns: true, run: duplicate},
}

// answer returns the result of a call of Winsock, with what the engine knows of its failure.
func (c *call) answer(err error) (*Result, error) {
	if err == nil {
		return &Result{door: true}, nil
	}
	var code win32.Errno
	if !errors.As(err, &code) {
		return nil, err
	}
	return &Result{door: true, code: code, err: c.process.winsock.LastCause()}, nil
}

// answerWith is answer with what success has brought.
func (c *call) answerWith(err error, format string, arguments ...any) (*Result, error) {
	result, failure := c.answer(err)
	if failure == nil && result.code == 0 {
		result.value = fmt.Sprintf(format, arguments...)
	}
	return result, failure
}

// socket reads an argument as a handle: a variable, or a number that is none perhaps.
func (c *call) socket() (winsock.Handle, error) {
	word := c.arguments[0]
	if held, is := c.player.variables[word.Text].(socketHandle); is && !word.Quoted {
		switch {
		case held.owner == c.process:
			return held.handle, nil
		case held.owner.name == c.process.name:
			return 0, fmt.Errorf("%s is a socket of %s before it was started again", word.Text, held.owner.name)
		}
		return 0, fmt.Errorf("%s is a socket of %s; %s: NAME = DuplicateHandle %s %s gives %s one",
			word.Text, held.owner.name, held.owner.name, word.Text, c.process.name, c.process.name)
	}
	n, err := c.player.number(word, strconv.IntSize)
	return winsock.Handle(n), err
}

// numbers reads the arguments from the n-th on as 32-bit numbers.
func (c *call) numbers(n int) ([]int32, error) {
	var all []int32
	for _, word := range c.arguments[n:] {
		one, err := c.player.number(word, 32)
		if err != nil {
			return nil, err
		}
		all = append(all, int32(one))
	}
	return all, nil
}

// socketAndNumbers reads a socket and the numbers behind it.
func (c *call) socketAndNumbers() (h winsock.Handle, n []int32, err error) {
	if h, err = c.socket(); err != nil {
		return 0, nil, err
	}
	n, err = c.numbers(1)
	return h, n, err
}

// endpoint reads an argument as an address with a port, which may be a variable.
func (c *call) endpoint(word Word) (winsock.Sockaddr, error) {
	text := word.Text
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		switch v := c.player.variables[text[colon+1:]].(type) {
		case instance:
			text = fmt.Sprintf("%s:%d", text[:colon], win32.Ntohs(v.Reservation.StartPort))
		case address:
			text = fmt.Sprintf("%s:%d", text[:colon], netip.AddrPort(v).Port())
		}
	}
	parsed, err := netip.ParseAddrPort(text)
	if err != nil || word.Quoted {
		return nil, fmt.Errorf("%q is no address with a port; want one such as 0.0.0.0:50000 or [::]:0", word.Text)
	}
	if parsed.Addr().Is4() {
		return &winsock.SockaddrInet4{Port: int(parsed.Port()), Addr: parsed.Addr().As4()}, nil
	}
	zone, _ := strconv.ParseUint(parsed.Addr().Zone(), 10, 32) // a name is no zone of the simulated computer
	return &winsock.SockaddrInet6{Port: int(parsed.Port()), ZoneId: uint32(zone), Addr: parsed.Addr().As16()}, nil
}

func addressOf(sa winsock.Sockaddr) address {
	switch sa := sa.(type) {
	case *winsock.SockaddrInet4:
		return address(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	case *winsock.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return address(netip.AddrPortFrom(ip, uint16(sa.Port)))
	}
	return address{}
}

func startup(c *call) (*Result, error) {
	const version = 0x0202
	return c.answer(c.process.winsock.WSAStartup(version, &winsock.WSAData{}))
}

func cleanup(c *call) (*Result, error) { return c.answer(c.process.winsock.WSACleanup()) }

func lastError(c *call) (*Result, error) {
	code := c.process.winsock.WSAGetLastError()
	return &Result{value: fmt.Sprintf("%s (%d)", code.Name(), code)}, nil
}

func openSocket(c *call) (*Result, error) {
	n, err := c.numbers(0)
	if err != nil {
		return nil, err
	}
	h, err := c.process.winsock.WSASocket(n[0], n[1], n[2], nil, 0, winsock.WSA_FLAG_OVERLAPPED)
	if err == nil {
		c.own(h)
	}
	return c.answer(err)
}

// own keeps a new handle, and lets its socket never wait: a scenario would not go on.
func (c *call) own(h winsock.Handle) {
	door := c.process.winsock
	last := door.WSAGetLastError()
	on, returned := [4]byte{1, 0, 0, 1}, uint32(0)
	if door.WSAIoctl(h, winsock.FIONBIO, &on[0], uint32(len(on)), nil, 0, &returned, nil, 0) != nil {
		door.WSASetLastError(last) // a socket that cannot be used cannot wait either
	}
	c.keep(socketHandle{owner: c.process, handle: h})
}

func setOption(c *call) (*Result, error) {
	h, n, err := c.socketAndNumbers()
	if err != nil {
		return nil, err
	}
	return c.answer(c.process.winsock.SetsockoptInt(h, int(n[0]), int(n[1]), int(n[2])))
}

func getOption(c *call) (*Result, error) {
	h, n, err := c.socketAndNumbers()
	if err != nil {
		return nil, err
	}
	value, err := c.process.winsock.GetsockoptInt(h, int(n[0]), int(n[1]))
	return c.answerWith(err, "%d", value)
}

func control(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	code, err := c.player.number(c.arguments[1], 32)
	if err != nil {
		return nil, err
	}
	in, err := c.player.input(c.arguments[2])
	if err != nil {
		return nil, err
	}
	name, size := "", 0
	if len(c.arguments) > 3 {
		if name, size, err = output(c.arguments[3]); err != nil {
			return nil, err
		}
	}
	var out []byte
	if name != "" {
		out = make([]byte, size, size+1)
	}
	var returned uint32
	err = c.process.winsock.WSAIoctl(h, uint32(code), start(in), uint32(len(in)), start(out), uint32(size), &returned, nil, 0)
	if err != nil {
		return c.answer(err)
	}
	var held win32.INET_PORT_RESERVATION_INSTANCE
	if returned < win32.SizeofINET_PORT_RESERVATION_INSTANCE {
		return c.answerWith(nil, "%d bytes", returned)
	}
	if err := held.UnmarshalBinary(out[:returned]); err != nil {
		return nil, err
	}
	c.player.variables[name] = instance(held)
	return c.answerWith(nil, "%d bytes, %s", returned, instance(held))
}

// start returns the address of a buffer, nil for none. An empty one has an address, too, since its
// capacity is at least a byte.
func start(buffer []byte) *byte {
	if buffer == nil {
		return nil
	}
	return &buffer[:1][0]
}

func bind(c *call) (*Result, error)    { return c.withAddress(c.process.winsock.Bind) }
func connect(c *call) (*Result, error) { return c.withAddress(c.process.winsock.Connect) }

func (c *call) withAddress(function func(winsock.Handle, winsock.Sockaddr) error) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	to, err := c.endpoint(c.arguments[1])
	if err != nil {
		return nil, err
	}
	return c.answer(function(h, to))
}

func listen(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	return c.answer(c.process.winsock.Listen(h, winsock.SOMAXCONN))
}

func accept(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	accepted, peer, err := c.process.winsock.Accept(h)
	if err == nil {
		c.own(accepted)
	}
	return c.answerWith(err, "from %s", addressOf(peer))
}

func localAddress(c *call) (*Result, error) { return c.tellAddress(c.process.winsock.Getsockname) }
func peerAddress(c *call) (*Result, error)  { return c.tellAddress(c.process.winsock.Getpeername) }

func (c *call) tellAddress(function func(winsock.Handle) (winsock.Sockaddr, error)) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	sa, err := function(h)
	if err == nil {
		c.keep(addressOf(sa))
	}
	return c.answerWith(err, "%s", addressOf(sa))
}

func send(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	var to winsock.Sockaddr
	if len(c.arguments) > 2 {
		if to, err = c.endpoint(c.arguments[2]); err != nil {
			return nil, err
		}
	}
	data := []byte(c.arguments[1].Text)
	return c.answerWith(c.process.winsock.Sendto(h, data, 0, to), "%d bytes", len(data))
}

func receive(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	size := uint64(2048)
	if len(c.arguments) > 1 {
		if size, err = c.player.number(c.arguments[1], 32); err != nil {
			return nil, err
		}
	}
	data := make([]byte, min(size, maxBuffer))
	n, from, err := c.process.winsock.Recvfrom(h, data, 0)
	return c.answerWith(err, "%q from %s", data[:n], addressOf(from))
}

func shutDown(c *call) (*Result, error) {
	h, n, err := c.socketAndNumbers()
	if err != nil {
		return nil, err
	}
	return c.answer(c.process.winsock.Shutdown(h, int(n[0])))
}

func closeSocket(c *call) (*Result, error) { return c.close(c.process.winsock.Closesocket) }
func closeHandle(c *call) (*Result, error) { return c.close(c.process.winsock.CloseHandle) }

func (c *call) close(function func(winsock.Handle) error) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	return c.answer(function(h))
}

func duplicate(c *call) (*Result, error) {
	h, err := c.socket()
	if err != nil {
		return nil, err
	}
	into := c.process
	if name := c.word(1); name != "" {
		if into = c.player.processes[name]; into == nil {
			return nil, fmt.Errorf("no process is called %s: start %s", name, name)
		}
	}
	duplicate, err := c.process.winsock.DuplicateInto(into.winsock, h)
	if err == nil {
		c.keep(socketHandle{owner: into, handle: duplicate})
	}
	return c.answer(err)
}
