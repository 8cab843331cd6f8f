package win32

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The structures are laid out in memory as a C compiler lays them out on Windows, on every processor,
// so that a pointer to one can be passed where C wants it. StartPort is in network byte order, see
// [Htons]; everything else is in the processor's. MarshalBinary returns the same bytes, and
// UnmarshalBinary accepts exactly that many of any content but for padding, which it ignores.

// INVALID_PORT_RESERVATION_TOKEN is the token that names nothing.
const INVALID_PORT_RESERVATION_TOKEN = 0

// INET_PORT_RANGE is a block of ports. StartPort 0 lets the system choose, where that is allowed.
//
//	typedef struct _INET_PORT_RANGE {
//	    USHORT StartPort;
//	    USHORT NumberOfPorts;
//	} INET_PORT_RANGE, *PINET_PORT_RANGE;
//
// https://learn.microsoft.com/en-us/windows/win32/api/mstcpip/ns-mstcpip-inet_port_range
type INET_PORT_RANGE struct {
	StartPort     uint16 // network byte order
	NumberOfPorts uint16 // the processor's byte order
}

// INET_PORT_RESERVATION is the block of a reservation.
//
//	typedef INET_PORT_RANGE INET_PORT_RESERVATION, *PINET_PORT_RESERVATION;
//
// https://learn.microsoft.com/en-us/windows/win32/api/mstcpip/ns-mstcpip-inet_port_range
type INET_PORT_RESERVATION = INET_PORT_RANGE

// INET_PORT_RESERVATION_TOKEN names a reservation.
//
//	typedef struct {
//	    ULONG64 Token;
//	} INET_PORT_RESERVATION_TOKEN, *PINET_PORT_RESERVATION_TOKEN;
//
// https://learn.microsoft.com/en-us/windows/win32/api/mstcpip/ns-mstcpip-inet_port_reservation_token
type INET_PORT_RESERVATION_TOKEN struct {
	Token uint64
}

// INET_PORT_RESERVATION_INSTANCE is a runtime reservation: what SIO_ACQUIRE_PORT_RESERVATION returns.
//
//	typedef struct {
//	    INET_PORT_RESERVATION       Reservation;
//	    INET_PORT_RESERVATION_TOKEN Token;
//	} INET_PORT_RESERVATION_INSTANCE, *PINET_PORT_RESERVATION_INSTANCE;
//
// https://learn.microsoft.com/en-us/windows/win32/api/mstcpip/ns-mstcpip-inet_port_reservation_instance
type INET_PORT_RESERVATION_INSTANCE struct {
	Reservation INET_PORT_RESERVATION
	_           [4]byte // Go aligns a uint64 to 4 on 386 and arm, C to 8
	Token       INET_PORT_RESERVATION_TOKEN
}

// INET_PORT_RESERVATION_INFORMATION tells whose a reservation is.
//
//	typedef struct {
//	    ULONG OwningPid;
//	} INET_PORT_RESERVATION_INFORMATION, *PINET_PORT_RESERVATION_INFORMATION;
//
// The header mstcpip.h is its only documentation.
type INET_PORT_RESERVATION_INFORMATION struct {
	OwningPid uint32
}

// The sizes, in bytes.
const (
	SizeofINET_PORT_RANGE                   = 4
	SizeofINET_PORT_RESERVATION             = SizeofINET_PORT_RANGE
	SizeofINET_PORT_RESERVATION_TOKEN       = 8
	SizeofINET_PORT_RESERVATION_INSTANCE    = 16
	SizeofINET_PORT_RESERVATION_INFORMATION = 4

	instanceTokenOffset = 8
)

// These fail to compile where a layout is not C's.
var (
	_ [SizeofINET_PORT_RANGE]byte                   = [unsafe.Sizeof(INET_PORT_RANGE{})]byte{}
	_ [SizeofINET_PORT_RESERVATION_TOKEN]byte       = [unsafe.Sizeof(INET_PORT_RESERVATION_TOKEN{})]byte{}
	_ [SizeofINET_PORT_RESERVATION_INSTANCE]byte    = [unsafe.Sizeof(INET_PORT_RESERVATION_INSTANCE{})]byte{}
	_ [instanceTokenOffset]byte                     = [unsafe.Offsetof(INET_PORT_RESERVATION_INSTANCE{}.Token)]byte{}
	_ [SizeofINET_PORT_RESERVATION_INFORMATION]byte = [unsafe.Sizeof(INET_PORT_RESERVATION_INFORMATION{})]byte{}
)

// PortRange returns the structure of r. The zero Range gives a structure of zeros.
func PortRange(r reservation.Range) INET_PORT_RANGE {
	return INET_PORT_RANGE{StartPort: Htons(r.First()), NumberOfPorts: uint16(r.Count())}
}

// Range returns the ports that p names. The error wraps [reservation.ErrInvalid] if StartPort or
// NumberOfPorts is 0, or if the range would run past port 65535.
func (p INET_PORT_RANGE) Range() (reservation.Range, error) {
	return pool.RangeFrom(Ntohs(p.StartPort), int(p.NumberOfPorts))
}

// ReservationInstance returns the structure of held.
func ReservationInstance(held reservation.Reservation) INET_PORT_RESERVATION_INSTANCE {
	return INET_PORT_RESERVATION_INSTANCE{
		Reservation: PortRange(held.Range),
		Token:       INET_PORT_RESERVATION_TOKEN{Token: uint64(held.Token)},
	}
}

// AppendBinary appends the 4 bytes of p. The error is always nil.
func (p INET_PORT_RANGE) AppendBinary(b []byte) ([]byte, error) {
	b = binary.NativeEndian.AppendUint16(b, p.StartPort)
	return binary.NativeEndian.AppendUint16(b, p.NumberOfPorts), nil
}

// MarshalBinary returns the 4 bytes of p. The error is always nil.
func (p INET_PORT_RANGE) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary reads exactly 4 bytes; else the error wraps [reservation.ErrInvalid].
func (p *INET_PORT_RANGE) UnmarshalBinary(data []byte) error {
	if err := checkSize("INET_PORT_RANGE", data, SizeofINET_PORT_RANGE); err != nil {
		return err
	}
	p.StartPort, p.NumberOfPorts = binary.NativeEndian.Uint16(data), binary.NativeEndian.Uint16(data[2:])
	return nil
}

// AppendBinary appends the 8 bytes of t. The error is always nil.
func (t INET_PORT_RESERVATION_TOKEN) AppendBinary(b []byte) ([]byte, error) {
	return binary.NativeEndian.AppendUint64(b, t.Token), nil
}

// MarshalBinary returns the 8 bytes of t. The error is always nil.
func (t INET_PORT_RESERVATION_TOKEN) MarshalBinary() ([]byte, error) { return t.AppendBinary(nil) }

// UnmarshalBinary reads exactly 8 bytes; else the error wraps [reservation.ErrInvalid].
func (t *INET_PORT_RESERVATION_TOKEN) UnmarshalBinary(data []byte) error {
	if err := checkSize("INET_PORT_RESERVATION_TOKEN", data, SizeofINET_PORT_RESERVATION_TOKEN); err != nil {
		return err
	}
	t.Token = binary.NativeEndian.Uint64(data)
	return nil
}

// AppendBinary appends the 16 bytes of i, with padding of zeros. The error is always nil.
func (i INET_PORT_RESERVATION_INSTANCE) AppendBinary(b []byte) ([]byte, error) {
	b, _ = i.Reservation.AppendBinary(b)
	b = append(b, make([]byte, instanceTokenOffset-SizeofINET_PORT_RESERVATION)...)
	return i.Token.AppendBinary(b)
}

// MarshalBinary returns the 16 bytes of i, with padding of zeros. The error is always nil.
func (i INET_PORT_RESERVATION_INSTANCE) MarshalBinary() ([]byte, error) { return i.AppendBinary(nil) }

// UnmarshalBinary reads exactly 16 bytes; else the error wraps [reservation.ErrInvalid].
func (i *INET_PORT_RESERVATION_INSTANCE) UnmarshalBinary(data []byte) error {
	if err := checkSize("INET_PORT_RESERVATION_INSTANCE", data, SizeofINET_PORT_RESERVATION_INSTANCE); err != nil {
		return err
	}
	// Slices of the right sizes are never refused.
	_ = i.Reservation.UnmarshalBinary(data[:SizeofINET_PORT_RESERVATION])
	return i.Token.UnmarshalBinary(data[instanceTokenOffset:])
}

// AppendBinary appends the 4 bytes of i. The error is always nil.
func (i INET_PORT_RESERVATION_INFORMATION) AppendBinary(b []byte) ([]byte, error) {
	return binary.NativeEndian.AppendUint32(b, i.OwningPid), nil
}

// MarshalBinary returns the 4 bytes of i. The error is always nil.
func (i INET_PORT_RESERVATION_INFORMATION) MarshalBinary() ([]byte, error) {
	return i.AppendBinary(nil)
}

// UnmarshalBinary reads exactly 4 bytes; else the error wraps [reservation.ErrInvalid].
func (i *INET_PORT_RESERVATION_INFORMATION) UnmarshalBinary(data []byte) error {
	if err := checkSize("INET_PORT_RESERVATION_INFORMATION", data, SizeofINET_PORT_RESERVATION_INFORMATION); err != nil {
		return err
	}
	i.OwningPid = binary.NativeEndian.Uint32(data)
	return nil
}

func checkSize(structure string, data []byte, size int) error {
	if len(data) == size {
		return nil
	}
	return fmt.Errorf("%w: %d bytes for %s, which has %d", reservation.ErrInvalid, len(data), structure, size)
}
