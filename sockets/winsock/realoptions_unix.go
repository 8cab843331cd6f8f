//go:build !windows

package winsock

import (
	"runtime"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// setSystemOptions prepares a socket of the system for its bind. Exclusive is the rule on these
// systems. To reuse an address means on Linux what it means on Windows, for UDP at least; the others
// have another option for that.
func setSystemOptions(fd uintptr, options reservation.SocketOptions) error {
	if !options.ReuseAddress {
		return nil
	}
	const reusePort = 0x200 // SO_REUSEPORT of every BSD
	option := reusePort
	if runtime.GOOS == "linux" {
		option = syscall.SO_REUSEADDR
	}
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 1)
}
