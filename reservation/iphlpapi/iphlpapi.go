// Package iphlpapi is the six functions of iphlpapi.dll that create, look up and delete persistent
// port reservations, with their names, parameters and codes, over any engine: that of this computer
// or of a simulated one. Code that was written for Windows calls them and gets, on any system, what
// Windows would say.
//
// Errors are the codes of package reservation/win32. Runtime reservations are not made here but
// through sockets: see package sockets/winsock.
package iphlpapi

// Functions is the six functions. [DLL] has them over an engine; on Windows SystemDLL has the real ones.
//
// StartPort is in network byte order, as [github.com/berthkit/berth/reservation/win32.Htons] returns
// it; NumberOfPorts is a plain number. StartPort 0 is no wildcard. All functions return a code of
// package win32:
//
//   - ERROR_SUCCESS (0): done.
//   - ERROR_INVALID_PARAMETER (87): StartPort or NumberOfPorts is 0, the block runs past port 65535,
//     or Token is nil. The last is not documented.
//   - ERROR_ACCESS_DENIED (5): the caller, who wants to create or delete, is no elevated
//     administrator. A bad argument is reported first, which is not documented either. Lookup, which
//     is open to all, returns it only where Windows has no like: when no program that may write the
//     store has run since the computer started, so that there are no tokens yet.
//   - ERROR_SHARING_VIOLATION (32), of create: a port of the block is bound, or the block overlaps
//     a reservation or an exclusion of the same protocol. Creating a block twice is no success.
//   - ERROR_NOT_FOUND (1168), of lookup and delete: exactly this block is not reserved.
//   - Others, such as ERROR_INVALID_HANDLE (6) when the process has ended and ERROR_GEN_FAILURE (31)
//     when the store fails.
//
// A call that fails leaves Token as it was. All are safe for concurrent use.
type Functions interface {
	// CreatePersistentTcpPortReservation reserves a block of TCP ports, across restarts, and stores
	// its token for this boot. When it returns 0 the reservation is durable.
	//
	//	ULONG WINAPI CreatePersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-createpersistenttcpportreservation
	CreatePersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32

	// CreatePersistentUdpPortReservation is the same for UDP.
	//
	//	ULONG WINAPI CreatePersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-createpersistentudpportreservation
	CreatePersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32

	// LookupPersistentTcpPortReservation stores this boot's token of the reservation of exactly this
	// block of TCP ports. Anyone may look up.
	//
	//	ULONG WINAPI LookupPersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-lookuppersistenttcpportreservation
	LookupPersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32

	// LookupPersistentUdpPortReservation is the same for UDP.
	//
	//	ULONG WINAPI LookupPersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts, PULONG64 Token);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-lookuppersistentudpportreservation
	LookupPersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32

	// DeletePersistentTcpPortReservation ends the reservation of exactly this block of TCP ports.
	// Sockets that are bound from it keep their ports.
	//
	//	ULONG WINAPI DeletePersistentTcpPortReservation(USHORT StartPort, USHORT NumberOfPorts);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-deletepersistenttcpportreservation
	DeletePersistentTcpPortReservation(StartPort, NumberOfPorts uint16) uint32

	// DeletePersistentUdpPortReservation is the same for UDP.
	//
	//	ULONG WINAPI DeletePersistentUdpPortReservation(USHORT StartPort, USHORT NumberOfPorts);
	//
	// https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-deletepersistentudpportreservation
	DeletePersistentUdpPortReservation(StartPort, NumberOfPorts uint16) uint32
}
