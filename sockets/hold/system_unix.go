//go:build unix && !linux

package hold

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

const systemHandover = WithGap

var spansWithIPv6 = []span{onlyIPv6, onlyIPv4}

func openSocket(family int, protocol reservation.Protocol) (int, error) {
	kind := unix.SOCK_DGRAM
	if protocol == pool.TCP {
		kind = unix.SOCK_STREAM
	}
	// Not every Unix can create a socket that a forked child does not inherit, so forks wait.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	descriptor, err := unix.Socket(family, kind, int(protocol))
	if err == nil {
		unix.CloseOnExec(descriptor)
	}
	return descriptor, err
}

// openDescriptors returns how many files this process has open.
func openDescriptors() (int, error) {
	f, err := os.Open("/dev/fd")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	return len(names) - 1, err // without the one that reads the folder
}
