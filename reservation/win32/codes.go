package win32

// Codes below 10000: winerror.h. Functions of iphlpapi return them.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes
const (
	ERROR_SUCCESS             Errno = 0
	ERROR_FILE_NOT_FOUND      Errno = 2
	ERROR_TOO_MANY_OPEN_FILES Errno = 4
	ERROR_ACCESS_DENIED       Errno = 5
	ERROR_INVALID_HANDLE      Errno = 6
	ERROR_NOT_ENOUGH_MEMORY   Errno = 8
	ERROR_GEN_FAILURE         Errno = 31
	ERROR_SHARING_VIOLATION   Errno = 32
	ERROR_NOT_SUPPORTED       Errno = 50
	ERROR_INVALID_PARAMETER   Errno = 87
	ERROR_INSUFFICIENT_BUFFER Errno = 122
	ERROR_PROC_NOT_FOUND      Errno = 127
	ERROR_ALREADY_EXISTS      Errno = 183
	ERROR_MORE_DATA           Errno = 234
	ERROR_OPERATION_ABORTED   Errno = 995
	ERROR_IO_PENDING          Errno = 997
	ERROR_NOACCESS            Errno = 998
	ERROR_NOT_FOUND           Errno = 1168
	ERROR_INVALID_NETNAME     Errno = 1214
	ERROR_CONNECTION_REFUSED  Errno = 1225
	ERROR_PRIVILEGE_NOT_HELD  Errno = 1314
	ERROR_TIMEOUT             Errno = 1460
	ERROR_NOT_CONNECTED       Errno = 2250
)

// Codes from 10000 on: winsock2.h. WSAGetLastError returns them.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/winsock/windows-sockets-error-codes-2
const (
	WSAEINTR           Errno = 10004
	WSAEBADF           Errno = 10009
	WSAEACCES          Errno = 10013
	WSAEFAULT          Errno = 10014
	WSAEINVAL          Errno = 10022
	WSAEMFILE          Errno = 10024
	WSAEWOULDBLOCK     Errno = 10035
	WSAEINPROGRESS     Errno = 10036
	WSAEALREADY        Errno = 10037
	WSAENOTSOCK        Errno = 10038
	WSAEDESTADDRREQ    Errno = 10039
	WSAEMSGSIZE        Errno = 10040
	WSAEPROTOTYPE      Errno = 10041
	WSAENOPROTOOPT     Errno = 10042
	WSAEPROTONOSUPPORT Errno = 10043
	WSAESOCKTNOSUPPORT Errno = 10044
	WSAEOPNOTSUPP      Errno = 10045
	WSAEPFNOSUPPORT    Errno = 10046
	WSAEAFNOSUPPORT    Errno = 10047
	WSAEADDRINUSE      Errno = 10048
	WSAEADDRNOTAVAIL   Errno = 10049
	WSAENETDOWN        Errno = 10050
	WSAENETUNREACH     Errno = 10051
	WSAENETRESET       Errno = 10052
	WSAECONNABORTED    Errno = 10053
	WSAECONNRESET      Errno = 10054
	WSAENOBUFS         Errno = 10055
	WSAEISCONN         Errno = 10056
	WSAENOTCONN        Errno = 10057
	WSAESHUTDOWN       Errno = 10058
	WSAETIMEDOUT       Errno = 10060
	WSAECONNREFUSED    Errno = 10061
	WSAEHOSTUNREACH    Errno = 10065
	WSAEPROCLIM        Errno = 10067
	WSASYSNOTREADY     Errno = 10091
	WSAVERNOTSUPPORTED Errno = 10092
	WSANOTINITIALISED  Errno = 10093
)

// NO_ERROR is the name that the pages of iphlpapi give to success.
const NO_ERROR = ERROR_SUCCESS

// Winsock's names for codes that it shares with overlapped input and output.
const (
	WSA_OPERATION_ABORTED = ERROR_OPERATION_ABORTED
	WSA_IO_PENDING        = ERROR_IO_PENDING
)
