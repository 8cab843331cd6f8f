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
//
// The hold of a port knows the option that is checked for the user, SO_REUSEPORT: with it the sockets
// of this program share a held port, and nobody else's.
func setSystemOptions(fd uintptr, options reservation.SocketOptions, held bool) error {
	if !options.ReuseAddress {
		return nil
	}
	const reusePort, reusePortLinux = 0x200, 0xf // SO_REUSEPORT of every BSD, and of most Linux
	option := reusePort
	switch {
	case runtime.GOOS != "linux":
	case held:
		option = reusePortLinux
	default:
		option = syscall.SO_REUSEADDR
	}
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 1)
}
