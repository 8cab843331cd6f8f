package conformance_test

import (
	"errors"
	"fmt"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// A call is one call of a Windows function, with plain values, so that it can be made here or by
// another process.
type call struct {
	Function  string // its name, without the "Persistent", the protocol and the "PortReservation" of iphlpapi's
	Protocol  reservation.Protocol
	Family    reservation.Family
	Handle    uintptr
	StartPort uint16 // as the functions take it: network byte order
	Count     uint16
	Port      uint16 // host byte order
	Code      uint32
	Input     []byte
	Output    int // bytes of room; -1 is no buffer at all
}

// A reply is what a call returned.
type reply struct {
	Errno    win32.Errno // 0 for success
	Handle   uintptr
	Token    uint64
	Port     uint16
	Output   []byte
	Returned uint32
}

// A door makes calls for one process.
type door func(call) reply

// sockets is as much of Winsock as the suite needs. This package has it twice: over package winsock,
// and on Windows over package windows.
type sockets interface {
	open(af, typ, protocol int32) (handle uintptr, err error)
	control(handle uintptr, code uint32, input, output []byte) (returned uint32, err error)
	bind(handle uintptr, family reservation.Family, port uint16) error
	port(handle uintptr) (uint16, error)
	share(handle uintptr) error
	close(handle uintptr) error
	exit() error
}

// What Winsock calls them. No protocol has no type: the system fills both in.
var (
	addressFamilies = map[reservation.Family]int32{reservation.IPv4: 2, reservation.IPv6: 23}
	socketTypes     = map[reservation.Protocol]int32{reservation.TCP: 1, reservation.UDP: 2}
)

// newDoor returns the door of a process that has these functions.
func newDoor(functions iphlpapi.Functions, sockets sockets) door {
	return func(c call) reply {
		var r reply
		var err error
		switch c.Function {
		case "Create", "Lookup", "Delete":
			r.Errno = win32.Errno(callIphlpapi(functions, c, &r.Token))
		case "WSASocket":
			r.Handle, err = sockets.open(addressFamilies[c.Family], socketTypes[c.Protocol], int32(c.Protocol))
		case "WSAIoctl":
			if c.Output >= 0 {
				r.Output = make([]byte, c.Output)
			}
			r.Returned, err = sockets.control(c.Handle, c.Code, c.Input, r.Output)
		case "bind":
			if err = sockets.bind(c.Handle, c.Family, c.Port); err == nil {
				r.Port, err = sockets.port(c.Handle)
			}
		case "share":
			err = sockets.share(c.Handle)
		case "closesocket":
			err = sockets.close(c.Handle)
		case "exit":
			err = sockets.exit()
		default:
			err = fmt.Errorf("no function %q", c.Function)
		}
		if err != nil {
			r.Errno = win32.WinsockErrno(err)
		}
		return r
	}
}

func callIphlpapi(f iphlpapi.Functions, c call, token *uint64) uint32 {
	tcp := c.Protocol == reservation.TCP
	switch c.Function {
	case "Create":
		if tcp {
			return f.CreatePersistentTcpPortReservation(c.StartPort, c.Count, token)
		}
		return f.CreatePersistentUdpPortReservation(c.StartPort, c.Count, token)
	case "Lookup":
		if tcp {
			return f.LookupPersistentTcpPortReservation(c.StartPort, c.Count, token)
		}
		return f.LookupPersistentUdpPortReservation(c.StartPort, c.Count, token)
	}
	if tcp {
		return f.DeletePersistentTcpPortReservation(c.StartPort, c.Count)
	}
	return f.DeletePersistentUdpPortReservation(c.StartPort, c.Count)
}

// isCode reports whether err is the code that a door gives to a condition. Several conditions have
// one code, so it knows less than errors.Is.
func isCode(err, condition error) bool {
	code, isCode := errors.AsType[win32.Errno](err)
	switch {
	case !isCode:
		return errors.Is(err, condition)
	case errors.Is(condition, reservation.ErrClosed) && code == win32.WSANOTINITIALISED:
		return true // of a process that has ended: nothing of it is left to have a handle
	case code.IsWinsock():
		return code == win32.WinsockErrno(condition)
	}
	return code == win32.IphlpapiErrno(condition)
}
