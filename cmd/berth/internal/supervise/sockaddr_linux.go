package supervise

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Lengths of socket addresses, as the kernel checks them in inet_bind and inet6_bind.
const (
	lengthINET      = 16 // struct sockaddr_in
	lengthINET6     = 28 // struct sockaddr_in6
	lengthINET6Old  = 24 // as RFC 2133 had it, without the scope
	lengthLongest   = 128
	offsetPort      = 2
	offsetIPv4      = 4
	offsetIPv6      = 8
	offsetIPv6Scope = 24
)

// parseAddress reads the address of a bind as the program wrote it. It returns false for whatever is
// no well-formed address of the internet; the kernel then says what it thinks of it.
func parseAddress(raw []byte) (family int, address netip.AddrPort, ok bool) {
	if len(raw) < lengthINET {
		return 0, netip.AddrPort{}, false
	}
	family = int(binary.NativeEndian.Uint16(raw))
	port := binary.BigEndian.Uint16(raw[offsetPort:])
	switch {
	case family == unix.AF_INET:
		ip := netip.AddrFrom4([4]byte(raw[offsetIPv4:]))
		return family, netip.AddrPortFrom(ip, port), true
	case family == unix.AF_INET6 && len(raw) >= lengthINET6Old:
		ip := netip.AddrFrom16([16]byte(raw[offsetIPv6:]))
		if len(raw) >= lengthINET6 {
			if scope := binary.NativeEndian.Uint32(raw[offsetIPv6Scope:]); scope != 0 && ip.IsLinkLocalUnicast() {
				ip = ip.WithZone(strconv.FormatUint(uint64(scope), 10))
			}
		}
		return family, netip.AddrPortFrom(ip, port), true
	}
	return 0, netip.AddrPort{}, false
}
