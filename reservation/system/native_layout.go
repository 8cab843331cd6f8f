package system

import (
	"encoding/binary"
	"fmt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The structures of mstcpip.h that the ioctls exchange, as bytes: a Go struct would be 12 bytes long
// on 386, where C's is 16.
//
//	typedef struct _INET_PORT_RANGE { USHORT StartPort; USHORT NumberOfPorts; } INET_PORT_RANGE;
//	typedef struct { ULONG64 Token; } INET_PORT_RESERVATION_TOKEN;
//	typedef struct { INET_PORT_RESERVATION Reservation; INET_PORT_RESERVATION_TOKEN Token; } INET_PORT_RESERVATION_INSTANCE;
//
// StartPort is in network byte order, everything else in the machine's, which Windows has little-endian.
//
// https://learn.microsoft.com/en-us/windows/win32/api/mstcpip/ns-mstcpip-inet_port_reservation_instance
const (
	portRangeSize           = 4
	reservationTokenSize    = 8
	reservationInstanceSize = 16
)

// portRange returns an INET_PORT_RANGE. First 0 lets Windows choose.
func portRange(first uint16, count int) (raw [portRangeSize]byte) {
	binary.BigEndian.PutUint16(raw[0:], first)
	binary.LittleEndian.PutUint16(raw[2:], uint16(count))
	return raw
}

// reservationToken returns an INET_PORT_RESERVATION_TOKEN.
func reservationToken(token reservation.Token) (raw [reservationTokenSize]byte) {
	binary.LittleEndian.PutUint64(raw[:], uint64(token))
	return raw
}

// parseInstance reads an INET_PORT_RESERVATION_INSTANCE.
func parseInstance(raw []byte) (reservation.Reservation, error) {
	if len(raw) != reservationInstanceSize {
		return reservation.Reservation{}, fmt.Errorf("%w: Windows returned %d bytes for a reservation, want %d",
			reservation.ErrUnsupported, len(raw), reservationInstanceSize)
	}
	r, err := pool.RangeFrom(binary.BigEndian.Uint16(raw[0:]), int(binary.LittleEndian.Uint16(raw[2:])))
	if err != nil {
		return reservation.Reservation{}, fmt.Errorf("no reservation can be read from what Windows returned: %w", err)
	}
	token := reservation.Token(binary.LittleEndian.Uint64(raw[8:]))
	if token == 0 {
		return reservation.Reservation{}, fmt.Errorf("%w: Windows returned the invalid token", reservation.ErrUnsupported)
	}
	return reservation.Reservation{Range: r, Token: token}, nil
}

// swapBytes turns a port into the number whose bytes in memory are in network order, and back.
func swapBytes(port uint16) uint16 { return port<<8 | port>>8 }
