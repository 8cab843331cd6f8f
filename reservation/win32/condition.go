package win32

import (
	"context"
	"errors"

	"github.com/berthkit/berth/reservation"
)

// conditions is the one table of what the engine's conditions are called at the two doors. Windows
// has one status of the kernel behind each row and maps it twice, for iphlpapi (and netsh, and
// http.sys) and for Winsock; the comment names the status. The first row that an error is, or that
// has a code, counts.
//
// Which pair belongs to which status is inferred, but for the row of ErrInUse: one and the same
// excluded block gave 32 to http.sys (dotnet/runtime#115088) and 10048 to Winsock
// (microsoft/msquic#2891).
var conditions = [...]struct {
	condition error
	iphlpapi  Errno
	winsock   Errno
}{
	{reservation.ErrInUse, ERROR_SHARING_VIOLATION, WSAEADDRINUSE},      // STATUS_SHARING_VIOLATION
	{reservation.ErrDenied, ERROR_ACCESS_DENIED, WSAEACCES},             // STATUS_ACCESS_DENIED
	{reservation.ErrInvalid, ERROR_INVALID_PARAMETER, WSAEINVAL},        // STATUS_INVALID_PARAMETER
	{reservation.ErrNotFound, ERROR_NOT_FOUND, WSAEINVAL},               // STATUS_NOT_FOUND; stale tokens too
	{reservation.ErrState, ERROR_INVALID_PARAMETER, WSAEINVAL},          // STATUS_INVALID_PARAMETER: bind answers 10022 to a second bind
	{reservation.ErrExhausted, ERROR_NOT_ENOUGH_MEMORY, WSAENOBUFS},     // STATUS_NO_MEMORY
	{reservation.ErrLimit, ERROR_TOO_MANY_OPEN_FILES, WSAEMFILE},        // STATUS_TOO_MANY_OPENED_FILES
	{reservation.ErrClosed, ERROR_INVALID_HANDLE, WSAENOTSOCK},          // STATUS_INVALID_HANDLE
	{reservation.ErrUnsupported, ERROR_NOT_SUPPORTED, WSAEOPNOTSUPP},    // STATUS_NOT_SUPPORTED
	{reservation.ErrUnsupported, ERROR_PROC_NOT_FOUND, WSAEOPNOTSUPP},   // what Wine says, which does not export the functions
	{reservation.ErrAddress, ERROR_INVALID_NETNAME, WSAEADDRNOTAVAIL},   // STATUS_INVALID_ADDRESS_COMPONENT
	{reservation.ErrRefused, ERROR_CONNECTION_REFUSED, WSAECONNREFUSED}, // STATUS_CONNECTION_REFUSED
	{reservation.ErrNotConnected, ERROR_NOT_CONNECTED, WSAENOTCONN},     // STATUS_CONNECTION_DISCONNECTED
	{reservation.ErrTooLong, ERROR_MORE_DATA, WSAEMSGSIZE},              // STATUS_BUFFER_OVERFLOW
	{context.Canceled, ERROR_OPERATION_ABORTED, WSA_OPERATION_ABORTED},  // STATUS_CANCELLED
	{context.DeadlineExceeded, ERROR_TIMEOUT, WSAETIMEDOUT},             // STATUS_IO_TIMEOUT
}

// Condition returns the condition that the code stands for: an error of package reservation or
// context, nil if it stands for none. Where two conditions have one code it is the more general one:
// WSAEINVAL is ErrInvalid.
func (e Errno) Condition() error {
	for i := range conditions {
		if e == conditions[i].iphlpapi || e == conditions[i].winsock {
			return conditions[i].condition
		}
	}
	return nil
}

// IphlpapiErrno returns the code that the functions of iphlpapi return for err: ERROR_SUCCESS for
// nil; err's own code if it is or wraps an Errno below 10000; that of its condition; and
// ERROR_GEN_FAILURE for what has none, such as a disk that fails.
func IphlpapiErrno(err error) Errno {
	if err == nil {
		return ERROR_SUCCESS
	}
	if own, ok := errors.AsType[Errno](err); ok && own != ERROR_SUCCESS && !own.IsWinsock() {
		return own
	}
	for i := range conditions {
		if errors.Is(err, conditions[i].condition) {
			return conditions[i].iphlpapi
		}
	}
	return ERROR_GEN_FAILURE
}

// WinsockErrno returns the code that WSAGetLastError returns for err: ERROR_SUCCESS for nil; err's
// own code if it is or wraps an Errno of 10000 or above; that of its condition; and WSAENETDOWN, "the
// network subsystem has failed", for what has none.
func WinsockErrno(err error) Errno {
	if err == nil {
		return ERROR_SUCCESS
	}
	if own, ok := errors.AsType[Errno](err); ok && own.IsWinsock() {
		return own
	}
	for i := range conditions {
		if errors.Is(err, conditions[i].condition) {
			return conditions[i].winsock
		}
	}
	return WSAENETDOWN
}
