package system

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/reservation"
)

// The raw calls, one to one. They return what Windows returned, 0 for success; native_windows.go
// makes conditions of it.

var (
	iphlpapi = windows.NewLazySystemDLL("iphlpapi.dll")

	createFunctions = map[reservation.Protocol]*windows.LazyProc{
		reservation.TCP: iphlpapi.NewProc("CreatePersistentTcpPortReservation"),
		reservation.UDP: iphlpapi.NewProc("CreatePersistentUdpPortReservation"),
	}
	lookupFunctions = map[reservation.Protocol]*windows.LazyProc{
		reservation.TCP: iphlpapi.NewProc("LookupPersistentTcpPortReservation"),
		reservation.UDP: iphlpapi.NewProc("LookupPersistentUdpPortReservation"),
	}
	deleteFunctions = map[reservation.Protocol]*windows.LazyProc{
		reservation.TCP: iphlpapi.NewProc("DeletePersistentTcpPortReservation"),
		reservation.UDP: iphlpapi.NewProc("DeletePersistentUdpPortReservation"),
	}
)

// ULONG WINAPI CreatePersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
// ULONG WINAPI CreatePersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
//
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-createpersistenttcpportreservation
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-createpersistentudpportreservation
func createPersistent(protocol reservation.Protocol, r reservation.Range) (reservation.Token, Code) {
	return callWithToken(createFunctions[protocol], r)
}

// ULONG WINAPI LookupPersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
// ULONG WINAPI LookupPersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
//
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-lookuppersistenttcpportreservation
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-lookuppersistentudpportreservation
func lookupPersistent(protocol reservation.Protocol, r reservation.Range) (reservation.Token, Code) {
	return callWithToken(lookupFunctions[protocol], r)
}

// ULONG WINAPI DeletePersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts);
// ULONG WINAPI DeletePersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts);
//
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-deletepersistenttcpportreservation
// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-deletepersistentudpportreservation
func deletePersistent(protocol reservation.Protocol, r reservation.Range) Code {
	function := deleteFunctions[protocol]
	if function.Find() != nil {
		return codeProcNotFound
	}
	code, _, _ := function.Call(uintptr(swapBytes(r.First())), uintptr(r.Count()))
	return Code(code)
}

func callWithToken(function *windows.LazyProc, r reservation.Range) (reservation.Token, Code) {
	if function.Find() != nil {
		return 0, codeProcNotFound
	}
	var token uint64
	code, _, _ := function.Call(uintptr(swapBytes(r.First())), uintptr(r.Count()), uintptr(unsafe.Pointer(&token)))
	if code != 0 {
		return 0, Code(code)
	}
	return reservation.Token(token), 0
}

// The ioctls of mstcpip.h: _WSAIOW(IOC_VENDOR, 100) to 102. With the bit for output set as well,
// which would suit the first, Windows answers 10045.
const (
	ioctlAcquire   = 0x98000064 // SIO_ACQUIRE_PORT_RESERVATION
	ioctlRelease   = 0x98000065 // SIO_RELEASE_PORT_RESERVATION
	ioctlAssociate = 0x98000066 // SIO_ASSOCIATE_PORT_RESERVATION
)

// WSAIoctl(s, SIO_ACQUIRE_PORT_RESERVATION, INET_PORT_RANGE, 4, INET_PORT_RESERVATION_INSTANCE, 16, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-acquire-port-reservation
func acquireReservation(socket windows.Handle, first uint16, count int) ([]byte, Code) {
	in := portRange(first, count)
	var out [reservationInstanceSize]byte
	var n uint32
	err := windows.WSAIoctl(socket, ioctlAcquire, &in[0], uint32(len(in)), &out[0], uint32(len(out)), &n, nil, 0)
	if err != nil {
		return nil, codeOf(err)
	}
	return out[:min(int(n), len(out))], 0
}

// WSAIoctl(s, SIO_RELEASE_PORT_RESERVATION, INET_PORT_RESERVATION_TOKEN, 8, NULL, 0, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-release-port-reservation
func releaseReservation(socket windows.Handle, token reservation.Token) Code {
	return sendToken(socket, ioctlRelease, token)
}

// WSAIoctl(s, SIO_ASSOCIATE_PORT_RESERVATION, INET_PORT_RESERVATION_TOKEN, 8, NULL, 0, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-associate-port-reservation
func associateReservation(socket windows.Handle, token reservation.Token) Code {
	return sendToken(socket, ioctlAssociate, token)
}

func sendToken(socket windows.Handle, ioctl uint32, token reservation.Token) Code {
	in := reservationToken(token)
	var n uint32
	if err := windows.WSAIoctl(socket, ioctl, &in[0], uint32(len(in)), nil, 0, &n, nil, 0); err != nil {
		return codeOf(err)
	}
	return 0
}

// codeOf returns the code of a failed call.
func codeOf(err error) Code {
	var code windows.Errno
	if errors.As(err, &code) && code != 0 {
		return Code(code)
	}
	return codeNotSupported
}
