package sockets

import (
	"errors"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// The error codes of Winsock. Package syscall's namesakes are inventions that no call returns.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/winsock/windows-sockets-error-codes-2
const (
	wsaAccess              syscall.Errno = 10013 // WSAEACCES
	wsaTooManyOpenFiles    syscall.Errno = 10024 // WSAEMFILE
	wsaFamilyNotSupported  syscall.Errno = 10047 // WSAEAFNOSUPPORT
	wsaAddressInUse        syscall.Errno = 10048 // WSAEADDRINUSE
	wsaAddressNotAvailable syscall.Errno = 10049 // WSAEADDRNOTAVAIL
)

// conditionOf returns the engine's condition for an error of bind or listen, nil if it has none.
func conditionOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case wsaAddressInUse, wsaAccess: // WSAEACCES: a socket with SO_EXCLUSIVEADDRUSE has the port, or a reservation
		return reservation.ErrInUse
	case wsaAddressNotAvailable:
		return reservation.ErrInvalid
	case wsaTooManyOpenFiles:
		return reservation.ErrLimit
	case wsaFamilyNotSupported:
		return reservation.ErrUnsupported
	}
	return nil
}
