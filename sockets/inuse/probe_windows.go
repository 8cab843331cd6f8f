package inuse

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/reservation"
)

const (
	// soExclusiveAddrUse is SO_EXCLUSIVEADDRUSE of <winsock2.h>, ~SO_REUSEADDR: the bind conflicts
	// with any socket on the port, on whichever address.
	soExclusiveAddrUse = ^windows.SO_REUSEADDR
	winsockVersion     = 0x202 // 2.2
)

// probePort reports whether a socket of either family is bound to the port, or the port is kept by
// a reservation of the system: Windows says the same of both.
func probePort(protocol reservation.Protocol, port uint16) (bool, error) {
	err := probeAddress(windows.AF_INET6, protocol, &windows.SockaddrInet6{Port: int(port)})
	if err == nil || errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEADDRNOTAVAIL) {
		err = probeAddress(windows.AF_INET, protocol, &windows.SockaddrInet4{Port: int(port)})
	}
	if errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES) {
		return true, nil
	}
	return false, err
}

// probeAddress binds a new socket to the address and closes it.
func probeAddress(family int32, protocol reservation.Protocol, address windows.Sockaddr) error {
	// Windows counts these calls, so one more beside package net's does no harm, and without net in
	// the program it is needed.
	var winsock windows.WSAData
	if err := windows.WSAStartup(winsockVersion, &winsock); err != nil {
		return os.NewSyscallError("WSAStartup", err)
	}
	defer windows.WSACleanup()
	kind := int32(windows.SOCK_DGRAM)
	if protocol == reservation.TCP {
		kind = windows.SOCK_STREAM
	}
	handle, err := windows.WSASocket(family, kind, int32(protocol), nil, 0, windows.WSA_FLAG_NO_HANDLE_INHERIT)
	if err != nil {
		return os.NewSyscallError("WSASocket", err)
	}
	defer windows.Closesocket(handle)
	if err := windows.SetsockoptInt(handle, windows.SOL_SOCKET, soExclusiveAddrUse, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", windows.Bind(handle, address))
}
