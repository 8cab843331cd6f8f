package inuse

import (
	"encoding/binary"
	"fmt"

	"github.com/berthkit/berth/reservation"
)

// An extendedTable is the layout of one of the tables of GetExtendedUdpTable and
// GetExtendedTcpTable: a count, then rows of one size. Offsets are in bytes from the row's start.
type extendedTable struct {
	rowSize int
	port    int // a DWORD whose first two bytes are the port in network byte order
	pid     int // a DWORD
}

// The layouts of the classes UDP_TABLE_OWNER_PID and TCP_TABLE_OWNER_PID_ALL.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/api/udpmib/ and .../tcpmib/, the structs
// MIB_UDPROW_OWNER_PID, MIB_UDP6ROW_OWNER_PID, MIB_TCPROW_OWNER_PID and MIB_TCP6ROW_OWNER_PID.
var (
	extendedUDP4 = extendedTable{rowSize: 12, port: 4, pid: 8}
	extendedUDP6 = extendedTable{rowSize: 28, port: 20, pid: 24}
	extendedTCP4 = extendedTable{rowSize: 24, port: 8, pid: 20}
	extendedTCP6 = extendedTable{rowSize: 56, port: 20, pid: 52}
)

// parse calls visit for each row of the table on a port of within; the owner is the process number.
// The error wraps errMalformed.
func (t extendedTable) parse(table []byte, within reservation.Range, visit visitor) error {
	const countSize = 4
	if len(table) < countSize {
		return fmt.Errorf("%w: %d bytes, want at least %d", errMalformed, len(table), countSize)
	}
	count, rows := binary.LittleEndian.Uint32(table), table[countSize:]
	if uint64(count)*uint64(t.rowSize) > uint64(len(rows)) {
		return fmt.Errorf("%w: %d rows of %d bytes in %d", errMalformed, count, t.rowSize, len(rows))
	}
	for range count {
		row := rows[:t.rowSize]
		rows = rows[t.rowSize:]
		if port := binary.BigEndian.Uint16(row[t.port:]); within.Contains(port) {
			visit(port, binary.LittleEndian.Uint32(row[t.pid:]))
		}
	}
	return nil
}
