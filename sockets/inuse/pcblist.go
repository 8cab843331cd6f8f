package inuse

import (
	"encoding/binary"
	"fmt"

	"github.com/berthkit/berth/reservation"
)

// The lists of protocol control blocks of macOS: bsd/netinet/in_pcblist.c and bsd/sys/socketvar.h
// of XNU. A list opens with a struct xinpgen. Then come the sockets, several records each, every
// record opening with its length and kind; and a closing xinpgen, which a list without sockets lacks.
const (
	pcbHeaderSize   = 8  // length and kind, uint32 each
	pcbGenSize      = 24 // struct xinpgen
	pcbAlignment    = 8
	pcbKindSocket   = 0x1  // struct xsocket_n
	pcbKindInternet = 0x10 // struct xinpcb_n

	pcbPortOffset = 18 // xinpcb_n.inp_lport, in network byte order
	pcbPIDOffset  = 68 // xsocket_n.so_last_pid
)

// parsePCBList calls visit for each socket of the list on a port of within; the owner is the process
// that used the socket last. It goes from record to record by their lengths, so it stays right when
// a later macOS lengthens one. The error wraps errMalformed.
func parsePCBList(list []byte, within reservation.Range, visit visitor) error {
	if len(list) < pcbGenSize {
		return fmt.Errorf("%w: %d bytes, want at least %d", errMalformed, len(list), pcbGenSize)
	}
	order := binary.LittleEndian // of every Mac that Go builds for
	opening := order.Uint32(list)
	if opening < pcbGenSize || uint64(opening) > uint64(len(list)) {
		return fmt.Errorf("%w: a header of %d bytes in %d", errMalformed, opening, len(list))
	}
	list = list[min(len(list), align(int(opening), pcbAlignment)):]

	var port uint16 // of the present socket, 0 before the first
	var pid uint32
	flush := func() {
		if within.Contains(port) {
			visit(port, pid)
		}
		port, pid = 0, 0
	}
	for len(list) > 0 {
		if len(list) < pcbHeaderSize {
			return fmt.Errorf("%w: %d bytes where a record should be", errMalformed, len(list))
		}
		size, kind := order.Uint32(list), order.Uint32(list[4:])
		if size == pcbGenSize {
			break // every record is longer than the closing xinpgen
		}
		if size < pcbHeaderSize || uint64(size) > uint64(len(list)) {
			return fmt.Errorf("%w: a record of %d bytes in %d", errMalformed, size, len(list))
		}
		record := list[:size]
		list = list[min(len(list), align(int(size), pcbAlignment)):]
		switch {
		case kind == pcbKindInternet && len(record) >= pcbPortOffset+2:
			flush()
			port = binary.BigEndian.Uint16(record[pcbPortOffset:])
		case kind == pcbKindInternet:
			return fmt.Errorf("%w: a socket of %d bytes", errMalformed, size)
		case kind == pcbKindSocket && len(record) >= pcbPIDOffset+4:
			pid = order.Uint32(record[pcbPIDOffset:])
		}
	}
	flush()
	return nil
}
