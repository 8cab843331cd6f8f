package inuse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// The messages of Linux's socket diagnosis: sock_diag(7), <linux/netlink.h>, <linux/inet_diag.h>.
// Netlink speaks the computer's byte order, ports inside are in network byte order.
const (
	netlinkHeaderSize = 16
	netlinkAlignment  = 4

	netlinkRequest         = 0x1   // NLM_F_REQUEST
	netlinkDump            = 0x300 // NLM_F_ROOT | NLM_F_MATCH
	netlinkDumpInterrupted = 0x10  // NLM_F_DUMP_INTR

	netlinkNoop          = 1  // NLMSG_NOOP
	netlinkError         = 2  // NLMSG_ERROR
	netlinkDone          = 3  // NLMSG_DONE
	netlinkOverrun       = 4  // NLMSG_OVERRUN
	sockDiagByFamily     = 20 // SOCK_DIAG_BY_FAMILY
	sockDiagRequestSize  = 56 // struct inet_diag_req_v2
	sockDiagMessageSize  = 72 // struct inet_diag_msg
	sockDiagPortOffset   = 4  // inet_diag_msg.id.idiag_sport
	sockDiagInodeOffset  = 68 // inet_diag_msg.idiag_inode
	sockDiagBytecode     = 1  // INET_DIAG_REQ_BYTECODE
	sockDiagSourceAtMost = 3  // INET_DIAG_BC_S_LE
	sockDiagSourceFrom   = 2  // INET_DIAG_BC_S_GE

	// All states of <net/tcp_states.h>: those of a connection, an unconnected UDP socket being
	// "closed" (7), and TCP_NEW_SYN_RECV (12) and TCP_BOUND_INACTIVE (13), which older kernels ignore.
	sockDiagAllStates = 0xfff | 1<<12 | 1<<13

	linuxIPv4 = 2  // AF_INET
	linuxIPv6 = 10 // AF_INET6
)

var (
	// errInterrupted is an answer during which the kernel's table changed so that entries may be
	// missing.
	errInterrupted = errors.New("the table of sockets changed while it was read")
	// errMalformed is an answer that is not built as documented.
	errMalformed = errors.New("malformed table of sockets")
)

// appendSockDiagRequest appends the request for all sockets of a protocol and address family whose
// local port lies in within. The kernel itself compares the ports, by a program of two instructions.
func appendSockDiagRequest(b []byte, sequence uint32, family uint8, protocol reservation.Protocol, within reservation.Range) []byte {
	const bytecodeSize = 16
	const size = netlinkHeaderSize + sockDiagRequestSize + 4 + bytecodeSize
	order := binary.NativeEndian

	b = order.AppendUint32(b, size)
	b = order.AppendUint16(b, sockDiagByFamily)
	b = order.AppendUint16(b, netlinkRequest|netlinkDump)
	b = order.AppendUint32(b, sequence)
	b = order.AppendUint32(b, 0) // to the kernel

	b = append(b, family, uint8(protocol), 0, 0)
	b = order.AppendUint32(b, sockDiagAllStates)
	b = append(b, make([]byte, sockDiagRequestSize-8)...) // no particular socket

	b = order.AppendUint16(b, 4+bytecodeSize)
	b = order.AppendUint16(b, sockDiagBytecode)
	// An instruction is {code, offset if yes, offset if no}{0, port}, eight bytes. An offset past
	// the end accepts the socket if it hits the end, and rejects it if it overshoots by four.
	b = append(b, sockDiagSourceFrom, 8)
	b = order.AppendUint16(b, 20)
	b = append(b, 0, 0)
	b = order.AppendUint16(b, within.First())
	b = append(b, sockDiagSourceAtMost, 8)
	b = order.AppendUint16(b, 12)
	b = append(b, 0, 0)
	return order.AppendUint16(b, within.Last())
}

// parseSockDiag reads one datagram of the answer to the request with that sequence number and calls
// visit for each socket on a port of within; the owner is the socket's inode. It reports whether the
// answer is complete. Errors are errInterrupted, errMalformed or the kernel's own syscall.Errno.
func parseSockDiag(datagram []byte, sequence uint32, within reservation.Range, visit visitor) (done bool, err error) {
	order := binary.NativeEndian
	for len(datagram) > 0 {
		if len(datagram) < netlinkHeaderSize {
			return false, fmt.Errorf("%w: %d bytes where a message header should be", errMalformed, len(datagram))
		}
		size := order.Uint32(datagram)
		if size < netlinkHeaderSize || uint64(size) > uint64(len(datagram)) {
			return false, fmt.Errorf("%w: a message of %d bytes in %d", errMalformed, size, len(datagram))
		}
		message := datagram[:size]
		datagram = datagram[min(len(datagram), align(int(size), netlinkAlignment)):]
		if order.Uint32(message[8:]) != sequence {
			continue // a late answer to an earlier request
		}
		done, err := parseSockDiagMessage(message, within, visit)
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

func parseSockDiagMessage(message []byte, within reservation.Range, visit visitor) (done bool, err error) {
	order := binary.NativeEndian
	kind, flags, body := order.Uint16(message[4:]), order.Uint16(message[6:]), message[netlinkHeaderSize:]
	if flags&netlinkDumpInterrupted != 0 || kind == netlinkOverrun {
		return false, errInterrupted
	}
	switch kind {
	case netlinkNoop:
	case netlinkError:
		if len(body) < 4 {
			return false, fmt.Errorf("%w: an error of %d bytes", errMalformed, len(body))
		}
		return false, kernelError(order.Uint32(body))
	case netlinkDone:
		if len(body) < 4 {
			return true, nil // without a code it is no error
		}
		return true, kernelError(order.Uint32(body))
	case sockDiagByFamily:
		if len(body) < sockDiagMessageSize {
			return false, fmt.Errorf("%w: a socket of %d bytes, want %d", errMalformed, len(body), sockDiagMessageSize)
		}
		port := binary.BigEndian.Uint16(body[sockDiagPortOffset:])
		if within.Contains(port) {
			visit(port, order.Uint32(body[sockDiagInodeOffset:]))
		}
	default:
		return false, fmt.Errorf("%w: a message of type %d", errMalformed, kind)
	}
	return false, nil
}

// kernelError turns the code of a netlink message, 0 or a negative errno, into an error. A positive
// code is no error: a dump may end with one.
func kernelError(code uint32) error {
	if errno := -int64(int32(code)); errno > 0 {
		return syscall.Errno(errno)
	}
	return nil
}

func align(n, to int) int { return (n + to - 1) / to * to }
