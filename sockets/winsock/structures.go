package winsock

// The structures have the fields, types and order that they have in package windows, so that code
// which takes their addresses, casts them or writes them as literals goes on to compile.

// A Handle names a socket or an event of one [Process].
type Handle uintptr

// InvalidHandle is the handle that calls return when they fail.
const InvalidHandle = ^Handle(0)

// A WSABuf is one of the buffers of a transfer.
//
// https://learn.microsoft.com/en-us/windows/win32/api/ws2def/ns-ws2def-wsabuf
type WSABuf struct {
	Len uint32
	Buf *byte
}

// An Overlapped stands for a call that may go on after it has returned. While it does, Internal is
// 0x103; afterwards Internal holds the code that the call ended with, 0 for success, and InternalHigh
// the number of bytes. Ask [WSAGetOverlappedResult] rather than reading them: it synchronises.
//
// https://learn.microsoft.com/en-us/windows/win32/api/minwinbase/ns-minwinbase-overlapped
type Overlapped struct {
	Internal     uintptr
	InternalHigh uintptr
	Offset       uint32
	OffsetHigh   uint32
	HEvent       Handle
}

// A GUID is a number that nobody else has.
type GUID struct {
	Data1 uint32
	Data2 uint16
	Data3 uint16
	Data4 [8]byte
}

// A WSAProtocolInfo describes a protocol to [WSASocket].
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/ns-winsock2-wsaprotocol_infow
type WSAProtocolInfo struct {
	ServiceFlags1     uint32
	ServiceFlags2     uint32
	ServiceFlags3     uint32
	ServiceFlags4     uint32
	ProviderFlags     uint32
	ProviderId        GUID
	CatalogEntryId    uint32
	ProtocolChain     WSAProtocolChain
	Version           int32
	AddressFamily     int32
	MaxSockAddr       int32
	MinSockAddr       int32
	SocketType        int32
	Protocol          int32
	ProtocolMaxOffset int32
	NetworkByteOrder  int32
	SecurityScheme    int32
	MessageSize       uint32
	ProviderReserved  uint32
	ProtocolName      [WSAPROTOCOL_LEN + 1]uint16
}

// A WSAProtocolChain is a part of [WSAProtocolInfo].
type WSAProtocolChain struct {
	ChainLen     int32
	ChainEntries [MAX_PROTOCOL_CHAIN]uint32
}

// A Linger says how long a closed socket goes on sending, in seconds.
type Linger struct {
	Onoff  int32
	Linger int32
}

// SecurityAttributes are accepted by [CreateEvent] and not looked at.
type SecurityAttributes struct {
	Length             uint32
	SecurityDescriptor *SECURITY_DESCRIPTOR
	InheritHandle      uint32
}

// A SECURITY_DESCRIPTOR is opaque.
type SECURITY_DESCRIPTOR struct{ _ byte }
