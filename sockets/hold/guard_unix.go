//go:build unix

package hold

import (
	"context"
	"errors"
	"fmt"

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

// hold binds the guards of every port of the block.
func (b *Block) hold(ctx context.Context) error {
	if b.spans == nil {
		b.spans = spansOfSystem()
	}
	if err := checkDescriptors(b.ports.Count() * len(b.spans)); err != nil {
		return &reservation.Error{Op: "acquire", Protocol: b.protocol, Range: b.ports, Err: err}
	}
	b.held = make([]port, b.ports.Count())
	descriptors := make([]int, 0, b.ports.Count()*len(b.spans))
	for number := range b.ports.Ports() {
		err := ctx.Err()
		before := len(descriptors)
		if err == nil {
			descriptors, err = openGuards(descriptors, b.protocol, b.spans, number)
			b.at(number).guards = descriptors[before:len(descriptors):len(descriptors)]
		}
		if err != nil {
			_ = b.Close()
			return b.holdError(number, err)
		}
	}
	return nil
}

// holdError blames the one port that cannot be had, or else the whole block.
func (b *Block) holdError(number uint16, err error) error {
	blamed := b.ports
	if errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		blamed = pool.RangeOf(number)
	}
	return &reservation.Error{Op: "acquire", Protocol: b.protocol, Range: blamed, Err: withCondition(err)}
}

// openGuards appends the guards of one port to g, one for each span, or none.
func openGuards(g guards, protocol reservation.Protocol, spans []span, number uint16) (guards, error) {
	before := len(g)
	for _, s := range spans {
		descriptor, err := openGuard(protocol, s)
		if err == nil {
			g = append(g, descriptor)
			err = bindGuard(descriptor, s, number)
		}
		if err != nil {
			g[before:].close()
			return g[:before], err
		}
	}
	return g, nil
}

// openGuard opens what can be bound as a guard. Without a receive buffer to speak of a UDP guard
// keeps two or three datagrams at most, whatever is sent to it. A filter that drops all would keep
// none, but docs/decisions/0045-no-filter.md says what it does to the kernel.
func openGuard(protocol reservation.Protocol, s span) (descriptor int, err error) {
	family := unix.AF_INET6
	if s == onlyIPv4 {
		family = unix.AF_INET
	}
	if descriptor, err = openSocket(family, protocol); err != nil {
		return -1, err
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, int(s)) // 0 is bothFamilies, 1 onlyIPv6
	}
	if err == nil && protocol == pool.UDP {
		err = unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_RCVBUF, minimalBuffer)
	}
	if err != nil {
		_ = unix.Close(descriptor)
		return -1, err
	}
	return descriptor, nil
}

// minimalBuffer is a size in bytes that every system accepts. Linux makes it its minimum, 2,304.
const minimalBuffer = 1

func bindGuard(descriptor int, s span, number uint16) error {
	if s == onlyIPv4 {
		return unix.Bind(descriptor, &unix.SockaddrInet4{Port: int(number)})
	}
	return unix.Bind(descriptor, &unix.SockaddrInet6{Port: int(number)})
}

// spansOfSystem returns what guards cover on this computer. Only Linux refuses an IPv4 bind beside a
// socket for both families, so elsewhere each family has its own. A computer may lack IPv6.
func spansOfSystem() []span {
	descriptor, err := openSocket(unix.AF_INET6, pool.UDP)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return []span{onlyIPv4}
	}
	if err == nil {
		_ = unix.Close(descriptor)
	}
	return spansWithIPv6
}

// withCondition puts the engine's condition in front of a system's error, where it has one.
func withCondition(err error) error {
	if condition := conditionOf(err); condition != nil && !errors.Is(err, condition) {
		return fmt.Errorf("%w: %w", condition, err)
	}
	return err
}

func conditionOf(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return nil
	}
	switch errno {
	case unix.EADDRINUSE:
		return reservation.ErrInUse
	case unix.EACCES, unix.EPERM: // a privileged port, or a security module's word
		return reservation.ErrDenied
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return reservation.ErrLimit
	case unix.EADDRNOTAVAIL, unix.EINVAL, unix.EBADF, unix.ENOTSOCK:
		return reservation.ErrInvalid
	case unix.EAFNOSUPPORT:
		return reservation.ErrUnsupported
	}
	return nil
}
