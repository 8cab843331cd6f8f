//go:build 386 || arm

package winsock

// WSAData is what [WSAStartup] tells.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/ns-winsock-wsadata
type WSAData struct {
	Version      uint16
	HighVersion  uint16
	Description  [WSADESCRIPTION_LEN + 1]byte
	SystemStatus [WSASYS_STATUS_LEN + 1]byte
	MaxSockets   uint16
	MaxUdpDg     uint16
	VendorInfo   *byte
}
