package supervise

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAddresses(t *testing.T) {
	v4 := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: 0x409c, Addr: [4]byte{127, 0, 0, 1}} // 40000 in network order
	v6 := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: 0x409c, Addr: [16]byte{15: 1}, Scope_id: 7}
	local := v6
	local.Addr = [16]byte{0xfe, 0x80, 15: 1}
	raw4 := (*[unsafe.Sizeof(v4)]byte)(unsafe.Pointer(&v4))[:]
	raw6 := (*[unsafe.Sizeof(v6)]byte)(unsafe.Pointer(&v6))[:]
	rawLocal := (*[unsafe.Sizeof(local)]byte)(unsafe.Pointer(&local))[:]
	for _, c := range []struct {
		raw  []byte
		want string // empty: not for us
	}{
		{raw4, "127.0.0.1:40000"},
		{raw6, "[::1]:40000"},
		{rawLocal, "[fe80::1%7]:40000"},
		{rawLocal[:24], "[fe80::1]:40000"}, // without a scope, as in RFC 2133
		{raw6[:23], ""},
		{raw4[:15], ""},
		{nil, ""},
		{make([]byte, 16), ""},
		{append([]byte{unix.AF_UNIX, 0}, make([]byte, 26)...), ""},
	} {
		_, address, ok := parseAddress(c.raw)
		require.Equal(t, c.want != "", ok)
		if ok {
			require.Equal(t, c.want, address.String())
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add([]byte{2, 0, 0x9c, 0x40, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(append([]byte{10, 0, 0x9c, 0x40}, make([]byte, 24)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		family, address, ok := parseAddress(raw)
		if !ok {
			require.Equal(t, netip.AddrPort{}, address)
			return
		}
		require.Equal(t, uint16(raw[2])<<8|uint16(raw[3]), address.Port())
		require.Equal(t, family == unix.AF_INET, address.Addr().Is4())
		require.Equal(t, family == unix.AF_INET6, address.Addr().Is6())
	})
}
