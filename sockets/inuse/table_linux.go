package inuse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/reservation"
)

const (
	// sockDiagBuffer holds the largest datagram of a dump: the kernel fills up to 32 KiB if the
	// reader has room for them, and the fewer datagrams, the faster.
	sockDiagBuffer = 32 << 10
	// sockDiagAttempts is how often an interrupted dump is tried before the ports are probed instead.
	sockDiagAttempts = 8
	// sockDiagPatience bounds the wait for a kernel that does not answer. It answers within the
	// call, so this is for sandboxes that swallow requests.
	sockDiagPatience = time.Second
)

// sockDiagBuffers keeps buffers between calls: a fresh one costs a third of the check of a small block.
var sockDiagBuffers = sync.Pool{New: func() any { return new([sockDiagBuffer]byte) }}

// readTable asks the kernel for the sockets of both address families.
func readTable(ctx context.Context, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	buffer := sockDiagBuffers.Get().(*[sockDiagBuffer]byte)
	defer sockDiagBuffers.Put(buffer)
	conn, err := openSockDiag(buffer[:])
	if err != nil {
		return err
	}
	defer unix.Close(conn.descriptor)
	if err := conn.dump(ctx, linuxIPv4, protocol, within, visit); err != nil {
		return err
	}
	err = conn.dump(ctx, linuxIPv6, protocol, within, visit)
	if errors.Is(err, unix.ENOENT) {
		return nil // the kernel has no IPv6
	}
	return err
}

// A sockDiagConn is a netlink socket to the kernel's socket diagnosis. It is used by one goroutine.
type sockDiagConn struct {
	descriptor int
	sequence   uint32
	buffer     []byte
}

func openSockDiag(buffer []byte) (*sockDiagConn, error) {
	descriptor, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	patience := unix.NsecToTimeval(int64(sockDiagPatience))
	if err := unix.SetsockoptTimeval(descriptor, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		unix.Close(descriptor)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &sockDiagConn{descriptor: descriptor, buffer: buffer}, nil
}

// dump visits the sockets of one family. After an interruption it starts again: a socket visited by
// the attempt before was bound then, so that visit need not be taken back.
func (c *sockDiagConn) dump(ctx context.Context, family uint8, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	var err error
	for range sockDiagAttempts {
		err = c.dumpOnce(ctx, family, protocol, within, visit)
		if !errors.Is(err, errInterrupted) {
			break
		}
	}
	return err
}

func (c *sockDiagConn) dumpOnce(ctx context.Context, family uint8, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	c.sequence++
	request := appendSockDiagRequest(nil, c.sequence, family, protocol, within)
	if err := unix.Sendto(c.descriptor, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		datagram, err := c.receive()
		if err != nil {
			return err
		}
		done, err := parseSockDiag(datagram, c.sequence, within, visit)
		if done || err != nil {
			return err
		}
	}
}

// receive returns the kernel's next datagram, valid until the next call.
func (c *sockDiagConn) receive() ([]byte, error) {
	for {
		n, from, err := unix.Recvfrom(c.descriptor, c.buffer, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			return nil, errInterrupted
		case err != nil:
			return nil, os.NewSyscallError("recvfrom", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // from another process: only the kernel is believed
		}
		if n > len(c.buffer) {
			// MSG_TRUNC makes n the whole length: the rest is lost, the next attempt has room.
			c.buffer = make([]byte, align(n, sockDiagBuffer))
			return nil, errInterrupted
		}
		if n == 0 {
			return nil, fmt.Errorf("%w: an empty datagram", errMalformed)
		}
		return c.buffer[:n], nil
	}
}
