//go:build unix && !linux

package hold

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

const handover = WithGap

func openSocket(family int, protocol reservation.Protocol) (int, error) {
	kind := unix.SOCK_DGRAM
	if protocol == pool.TCP {
		kind = unix.SOCK_STREAM
	}
	// Not every Unix can create a socket that a forked child does not inherit, so forks wait.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	descriptor, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.CloseOnExec(descriptor)
	}
	return descriptor, err
}
