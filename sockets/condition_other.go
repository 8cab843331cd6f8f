//go:build !windows

package sockets

import (
	"errors"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// conditionOf returns the engine's condition for an error of bind(2) or listen(2), nil if it has none.
func conditionOf(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case syscall.EADDRINUSE:
		return reservation.ErrInUse
	case syscall.EACCES, syscall.EPERM: // a privileged port, or a security module's word
		return reservation.ErrDenied
	case syscall.EADDRNOTAVAIL:
		return reservation.ErrInvalid
	case syscall.EMFILE, syscall.ENFILE:
		return reservation.ErrLimit
	case syscall.EAFNOSUPPORT:
		return reservation.ErrUnsupported
	}
	return nil
}
