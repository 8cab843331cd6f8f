package system

import (
	"fmt"

	"github.com/berthkit/berth/reservation"
)

// A Code is what Windows answered: a Win32 error of iphlpapi, or a Winsock error (10000 and up).
// Errors of the real Windows wrap it beside the condition that it stands for.
type Code uint32

// The codes that the six functions and three ioctls are documented or known to return.
const (
	codeAccessDenied     Code = 5     // ERROR_ACCESS_DENIED
	codeSharingViolation Code = 32    // ERROR_SHARING_VIOLATION
	codeNotSupported     Code = 50    // ERROR_NOT_SUPPORTED
	codeInvalidParameter Code = 87    // ERROR_INVALID_PARAMETER
	codeProcNotFound     Code = 127   // ERROR_PROC_NOT_FOUND
	codeNotFound         Code = 1168  // ERROR_NOT_FOUND
	codeAccess           Code = 10013 // WSAEACCES
	codeInvalid          Code = 10022 // WSAEINVAL
	codeNotSocket        Code = 10038 // WSAENOTSOCK
	codeOpNotSupported   Code = 10045 // WSAEOPNOTSUPP
	codeAddressInUse     Code = 10048 // WSAEADDRINUSE
	codeNoBuffers        Code = 10055 // WSAENOBUFS
)

var codeConditions = map[Code]error{
	codeAccessDenied:     reservation.ErrDenied,
	codeSharingViolation: reservation.ErrInUse,
	codeNotSupported:     reservation.ErrUnsupported,
	codeInvalidParameter: reservation.ErrInvalid,
	codeProcNotFound:     reservation.ErrUnsupported, // Wine exports none of the functions
	codeNotFound:         reservation.ErrNotFound,
	codeAccess:           reservation.ErrDenied,
	codeInvalid:          reservation.ErrInvalid,
	codeNotSocket:        reservation.ErrClosed,
	codeOpNotSupported:   reservation.ErrUnsupported,
	codeAddressInUse:     reservation.ErrInUse,
	codeNoBuffers:        reservation.ErrExhausted,
}

// Error names the code; the system's own text for it is in the user's language, so it does not help
// whoever searches for it.
func (c Code) Error() string { return fmt.Sprintf("Windows error %d", uint32(c)) }

// condition returns the error of a code: the condition that it stands for, if known, and the code.
func (c Code) condition() error {
	if condition, known := codeConditions[c]; known {
		return fmt.Errorf("%w (%w)", condition, c)
	}
	return c
}
