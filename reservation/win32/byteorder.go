package win32

import "encoding/binary"

// Htons returns the number whose bytes in memory are those of host in network order: 5000, which is
// 0x1388, becomes 0x8813 on every processor that Windows runs on.
//
//	u_short htons(u_short hostshort);
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-htons
func Htons(host uint16) uint16 {
	var network [2]byte
	binary.BigEndian.PutUint16(network[:], host)
	return binary.NativeEndian.Uint16(network[:])
}

// Ntohs undoes [Htons].
//
//	u_short ntohs(u_short netshort);
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-ntohs
func Ntohs(network uint16) uint16 {
	var bytes [2]byte
	binary.NativeEndian.PutUint16(bytes[:], network)
	return binary.BigEndian.Uint16(bytes[:])
}
