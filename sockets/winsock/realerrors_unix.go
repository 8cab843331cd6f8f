//go:build !windows

package winsock

import (
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// meaningOf returns what an error number of the system means, nil for one without a counterpart.
func meaningOf(errno syscall.Errno) error {
	switch errno {
	case syscall.EADDRINUSE:
		return reservation.ErrInUse
	case syscall.EACCES, syscall.EPERM:
		return reservation.ErrDenied
	case syscall.EADDRNOTAVAIL:
		return reservation.ErrAddress
	case syscall.ECONNREFUSED:
		return reservation.ErrRefused
	case syscall.EMSGSIZE:
		return reservation.ErrTooLong
	case syscall.ENOTCONN:
		return reservation.ErrNotConnected
	case syscall.EINVAL:
		return reservation.ErrInvalid
	case syscall.EAFNOSUPPORT:
		return WSAEAFNOSUPPORT
	case syscall.ECONNRESET, syscall.EPIPE:
		return WSAECONNRESET
	case syscall.ECONNABORTED:
		return WSAECONNABORTED
	case syscall.ENETUNREACH:
		return WSAENETUNREACH
	case syscall.EHOSTUNREACH:
		return WSAEHOSTUNREACH
	case syscall.ETIMEDOUT:
		return WSAETIMEDOUT
	case syscall.EMFILE, syscall.ENFILE:
		return WSAEMFILE
	case syscall.ENOBUFS, syscall.ENOMEM:
		return WSAENOBUFS
	}
	return nil
}
