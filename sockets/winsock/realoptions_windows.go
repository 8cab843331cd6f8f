package winsock

import (
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// setSystemOptions prepares a socket of the system for its bind.
func setSystemOptions(fd uintptr, options reservation.SocketOptions, _ bool) error {
	if options.ReuseAddress {
		return syscall.SetsockoptInt(syscall.Handle(fd), SOL_SOCKET, SO_REUSEADDR, 1)
	}
	if options.Exclusive {
		return syscall.SetsockoptInt(syscall.Handle(fd), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)
	}
	return nil
}
