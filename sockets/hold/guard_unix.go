//go:build unix

package hold

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// guards are the descriptors of the sockets that keep one port. They do not go through the poller of
// the Go runtime: nobody reads from them.
type guards []int

func (g guards) close() {
	for _, descriptor := range g {
		_ = unix.Close(descriptor)
	}
}

// hold binds the guards of a block.
func hold(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (*Block, error) {
	b := &Block{protocol: protocol, ports: r, held: make([]port, 0, r.Count())}
	for number := range r.Ports() {
		err := ctx.Err()
		var g guards
		if err == nil {
			g, err = openGuards(protocol, number)
		}
		if err != nil {
			_ = b.Close()
			return nil, holdError(protocol, r, number, err)
		}
		b.held = append(b.held, port{guards: g})
	}
	return b, nil
}

func holdError(protocol reservation.Protocol, r reservation.Range, number uint16, err error) error {
	blamed := r
	if errors.Is(err, reservation.ErrInUse) || errors.Is(err, reservation.ErrDenied) {
		blamed = pool.RangeOf(number)
	}
	return &reservation.Error{Op: "acquire", Protocol: protocol, Range: blamed, Err: err}
}

// openGuards binds what keeps one port on every address of both families.
func openGuards(protocol reservation.Protocol, number uint16) (guards, error) {
	descriptor, err := openSocket(unix.AF_INET6, protocol)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return openGuard4(protocol, number)
	}
	if err != nil {
		return nil, withCondition(err)
	}
	err = unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	if err == nil {
		err = unix.Bind(descriptor, &unix.SockaddrInet6{Port: int(number)})
	}
	if err != nil {
		_ = unix.Close(descriptor)
		return nil, withCondition(err)
	}
	return guards{descriptor}, nil
}

func openGuard4(protocol reservation.Protocol, number uint16) (guards, error) {
	descriptor, err := openSocket(unix.AF_INET, protocol)
	if err != nil {
		return nil, withCondition(err)
	}
	if err := unix.Bind(descriptor, &unix.SockaddrInet4{Port: int(number)}); err != nil {
		_ = unix.Close(descriptor)
		return nil, withCondition(err)
	}
	return guards{descriptor}, nil
}

// withCondition puts the engine's condition in front of a system's error, where it has one.
func withCondition(err error) error {
	condition := conditionOf(err)
	if condition == nil {
		return err
	}
	return fmt.Errorf("%w: %w", condition, err)
}

func conditionOf(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return reservation.ErrInUse
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return reservation.ErrDenied
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return reservation.ErrLimit
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EBADF), errors.Is(err, unix.ENOTSOCK):
		return reservation.ErrInvalid
	case errors.Is(err, unix.EAFNOSUPPORT):
		return reservation.ErrUnsupported
	}
	return nil
}

func sockaddrOf(address netip.AddrPort) unix.Sockaddr {
	if ip := address.Addr(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(address.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
}
