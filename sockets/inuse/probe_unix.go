//go:build unix

package inuse

import (
	"errors"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/reservation"
)

// probePort reports whether a socket is bound to the port. One dual-stack socket sees both families
// on Linux; elsewhere, and where there is no dual stack, an IPv4 socket looks as well.
func probePort(protocol reservation.Protocol, port uint16) (bool, error) {
	dual, err := probeIPv6(protocol, port)
	if errors.Is(err, unix.EADDRINUSE) {
		return true, nil
	}
	if err == nil && dual && runtime.GOOS == "linux" {
		return false, nil
	}
	if err != nil && !isNoIPv6(err) {
		return false, err
	}
	err = probeAddress(unix.AF_INET, protocol, &unix.SockaddrInet4{Port: int(port)}, nil)
	if errors.Is(err, unix.EADDRINUSE) {
		return true, nil
	}
	return false, err
}

// probeIPv6 binds an IPv6 socket and reports whether it was one for both families.
func probeIPv6(protocol reservation.Protocol, port uint16) (dual bool, err error) {
	err = probeAddress(unix.AF_INET6, protocol, &unix.SockaddrInet6{Port: int(port)}, func(descriptor int) {
		dual = unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0) == nil
	})
	return dual, err
}

func isNoIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) ||
		errors.Is(err, unix.EPROTONOSUPPORT)
}

// probeAddress binds a new socket to the address and closes it. It returns nil also where the
// system refuses for another reason than a bound socket: a privileged port (EACCES), a security
// module (EPERM). Those say nothing about sockets.
func probeAddress(family int, protocol reservation.Protocol, address unix.Sockaddr, prepare func(descriptor int)) error {
	kind := unix.SOCK_DGRAM
	if protocol == reservation.TCP {
		kind = unix.SOCK_STREAM
	}
	// Not every Unix can create a socket that a forked child does not inherit, so forks wait.
	syscall.ForkLock.RLock()
	descriptor, err := unix.Socket(family, kind, int(protocol))
	if err == nil {
		unix.CloseOnExec(descriptor)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(descriptor)
	if prepare != nil {
		prepare(descriptor)
	}
	err = unix.Bind(descriptor, address)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return os.NewSyscallError("bind", err)
}
