package iphlpapi

import (
	"syscall"
	"unsafe"

	"github.com/berthkit/berth/reservation/win32"
)

// SystemDLL is the real iphlpapi.dll. Its functions return what Windows returns, and
// ERROR_PROC_NOT_FOUND where the library lacks them, as Wine's does. A nil Token is answered with
// ERROR_INVALID_PARAMETER here: what Windows does with it is not documented and may end the process.
// The zero SystemDLL is ready to use.
type SystemDLL struct{}

var _ Functions = SystemDLL{}

// Package syscall lists iphlpapi.dll among the libraries that it loads from the system's folder alone.
var (
	library = syscall.NewLazyDLL("iphlpapi.dll")

	createTCP = library.NewProc("CreatePersistentTcpPortReservation")
	createUDP = library.NewProc("CreatePersistentUdpPortReservation")
	lookupTCP = library.NewProc("LookupPersistentTcpPortReservation")
	lookupUDP = library.NewProc("LookupPersistentUdpPortReservation")
	deleteTCP = library.NewProc("DeletePersistentTcpPortReservation")
	deleteUDP = library.NewProc("DeletePersistentUdpPortReservation")
)

// CreatePersistentTcpPortReservation implements [Functions].
func (SystemDLL) CreatePersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return callWithToken(createTCP, StartPort, NumberOfPorts, Token)
}

// CreatePersistentUdpPortReservation implements [Functions].
func (SystemDLL) CreatePersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return callWithToken(createUDP, StartPort, NumberOfPorts, Token)
}

// LookupPersistentTcpPortReservation implements [Functions].
func (SystemDLL) LookupPersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return callWithToken(lookupTCP, StartPort, NumberOfPorts, Token)
}

// LookupPersistentUdpPortReservation implements [Functions].
func (SystemDLL) LookupPersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return callWithToken(lookupUDP, StartPort, NumberOfPorts, Token)
}

// DeletePersistentTcpPortReservation implements [Functions].
func (SystemDLL) DeletePersistentTcpPortReservation(StartPort, NumberOfPorts uint16) uint32 {
	return call(deleteTCP, StartPort, NumberOfPorts)
}

// DeletePersistentUdpPortReservation implements [Functions].
func (SystemDLL) DeletePersistentUdpPortReservation(StartPort, NumberOfPorts uint16) uint32 {
	return call(deleteUDP, StartPort, NumberOfPorts)
}

func callWithToken(function *syscall.LazyProc, StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	switch {
	case function.Find() != nil:
		return uint32(win32.ERROR_PROC_NOT_FOUND)
	case Token == nil:
		return uint32(win32.ERROR_INVALID_PARAMETER)
	}
	code, _, _ := function.Call(uintptr(StartPort), uintptr(NumberOfPorts), uintptr(unsafe.Pointer(Token)))
	return uint32(code)
}

func call(function *syscall.LazyProc, StartPort, NumberOfPorts uint16) uint32 {
	if function.Find() != nil {
		return uint32(win32.ERROR_PROC_NOT_FOUND)
	}
	code, _, _ := function.Call(uintptr(StartPort), uintptr(NumberOfPorts))
	return uint32(code)
}
