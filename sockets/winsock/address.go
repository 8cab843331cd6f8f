package winsock

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/berthkit/berth/reservation"
)

// A Sockaddr is an address: [SockaddrInet4] or [SockaddrInet6].
type Sockaddr interface {
	sockaddr() (RawSockaddrAny, int32, error) // unexported: only this package makes addresses
}

// A SockaddrInet4 is an IPv4 address and a port, 0 to 65535, in host byte order.
type SockaddrInet4 struct {
	Port int
	Addr [4]byte
}

// A SockaddrInet6 is an IPv6 address, its zone as a number, and a port, 0 to 65535, in host byte
// order.
type SockaddrInet6 struct {
	Port   int
	ZoneId uint32
	Addr   [16]byte
}

// A RawSockaddrInet4 is an IPv4 address as C has it; Port is in network byte order.
type RawSockaddrInet4 struct {
	Family uint16
	Port   uint16
	Addr   [4]byte
	Zero   [8]uint8
}

// A RawSockaddrInet6 is an IPv6 address as C has it; Port is in network byte order.
type RawSockaddrInet6 struct {
	Family   uint16
	Port     uint16
	Flowinfo uint32
	Addr     [16]byte
	Scope_id uint32
}

// A RawSockaddr is the beginning of every address.
type RawSockaddr struct {
	Family uint16
	Data   [14]int8
}

// A RawSockaddrAny has room for every address.
type RawSockaddrAny struct {
	Addr RawSockaddr
	Pad  [100]int8
}

const (
	sizeofInet4 = int32(unsafe.Sizeof(RawSockaddrInet4{}))
	sizeofInet6 = int32(unsafe.Sizeof(RawSockaddrInet6{}))
	sizeofAny   = int32(unsafe.Sizeof(RawSockaddrAny{}))
)

// bytes returns the memory of the first length bytes of the address; length is at most its size.
func (rsa *RawSockaddrAny) bytes(length int32) []byte {
	// A fixed array of the structure's own size: the view never reaches beyond it.
	return (*[sizeofAny]byte)(unsafe.Pointer(rsa))[:length]
}

func (sa *SockaddrInet4) sockaddr() (raw RawSockaddrAny, length int32, err error) {
	if sa == nil {
		return raw, 0, WSAEFAULT
	}
	if sa.Port < 0 || sa.Port > 0xffff {
		return raw, 0, WSAEINVAL
	}
	raw.put(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	return raw, sizeofInet4, nil
}

func (sa *SockaddrInet6) sockaddr() (raw RawSockaddrAny, length int32, err error) {
	if sa == nil {
		return raw, 0, WSAEFAULT
	}
	if sa.Port < 0 || sa.Port > 0xffff {
		return raw, 0, WSAEINVAL
	}
	raw.put(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	binary.NativeEndian.PutUint32(raw.bytes(sizeofInet6)[24:], sa.ZoneId)
	return raw, sizeofInet6, nil
}

// Sockaddr returns the address as a Go value. It returns WSAEAFNOSUPPORT for another family than
// IPv4 and IPv6.
func (rsa *RawSockaddrAny) Sockaddr() (Sockaddr, error) {
	if rsa == nil {
		return nil, WSAEFAULT
	}
	switch rsa.Addr.Family {
	case AF_INET:
		raw := rsa.bytes(sizeofInet4)
		return &SockaddrInet4{Port: int(binary.BigEndian.Uint16(raw[2:])), Addr: [4]byte(raw[4:8])}, nil
	case AF_INET6:
		raw := rsa.bytes(sizeofInet6)
		return &SockaddrInet6{
			Port:   int(binary.BigEndian.Uint16(raw[2:])),
			ZoneId: binary.NativeEndian.Uint32(raw[24:]),
			Addr:   [16]byte(raw[8:24]),
		}, nil
	}
	return nil, WSAEAFNOSUPPORT
}

// put writes an address and returns how many bytes it takes.
func (rsa *RawSockaddrAny) put(address netip.AddrPort) int32 {
	ip := address.Addr()
	switch {
	case ip.Is4():
		raw := rsa.bytes(sizeofInet4)
		clear(raw)
		binary.NativeEndian.PutUint16(raw, AF_INET)
		binary.BigEndian.PutUint16(raw[2:], address.Port())
		copy(raw[4:8], ip.AsSlice())
		return sizeofInet4
	case ip.Is6():
		raw := rsa.bytes(sizeofInet6)
		clear(raw)
		binary.NativeEndian.PutUint16(raw, AF_INET6)
		binary.BigEndian.PutUint16(raw[2:], address.Port())
		copy(raw[8:24], ip.AsSlice())
		zone, _ := strconv.ParseUint(ip.Zone(), 10, 32) // a zone without a number is not one of this package's
		binary.NativeEndian.PutUint32(raw[24:], uint32(zone))
		return sizeofInet6
	}
	return 0
}

// addressOf reads an address for a socket of the family: WSAEFAULT if there is none or it is too
// short for the family, WSAEAFNOSUPPORT if it is of another.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-bind
func addressOf(rsa *RawSockaddrAny, length int32, family reservation.Family) (netip.AddrPort, error) {
	switch {
	case rsa == nil, length < sizeofInet4, family == reservation.IPv6 && length < sizeofInet6:
		return netip.AddrPort{}, WSAEFAULT
	case family == reservation.IPv4 && rsa.family() != AF_INET, family == reservation.IPv6 && rsa.family() != AF_INET6:
		return netip.AddrPort{}, WSAEAFNOSUPPORT
	case family == reservation.IPv4:
		raw := (*[sizeofInet4]byte)(unsafe.Pointer(rsa)) // no more of it than the caller's structure has
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), binary.BigEndian.Uint16(raw[2:])), nil
	}
	raw := (*[sizeofInet6]byte)(unsafe.Pointer(rsa)) // as above
	ip := netip.AddrFrom16([16]byte(raw[8:24]))
	if zone := binary.NativeEndian.Uint32(raw[24:]); zone != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw[2:])), nil
}

// family reads no more than the first two bytes: the caller's structure may be a short one.
func (rsa *RawSockaddrAny) family() uint16 { return *(*uint16)(unsafe.Pointer(rsa)) }

// resolve reads a Go address for a socket of the family.
func resolve(sa Sockaddr, family reservation.Family) (netip.AddrPort, error) {
	if sa == nil {
		return netip.AddrPort{}, WSAEFAULT
	}
	raw, length, err := sa.sockaddr()
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addressOf(&raw, length, family)
}

// sockaddrOf returns the Go address of a network address, nil for none.
func sockaddrOf(address netip.AddrPort) Sockaddr {
	var raw RawSockaddrAny
	if raw.put(address) == 0 {
		return nil
	}
	sa, _ := raw.Sockaddr() // put writes no other family
	return sa
}

// wildcard is the address that stands for all of the computer's.
func wildcard(family reservation.Family) netip.Addr {
	if family == reservation.IPv4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
