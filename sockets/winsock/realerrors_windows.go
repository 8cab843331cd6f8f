package winsock

import (
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// meaningOf returns what an error number of the system means, nil for one without a counterpart.
func meaningOf(errno syscall.Errno) error {
	switch code := Errno(errno); code {
	case WSAEADDRINUSE:
		return reservation.ErrInUse // the engine looks for it, to try another port
	case WSAEACCES:
		return reservation.ErrDenied
	default:
		if code.IsWinsock() {
			return code
		}
	}
	return nil
}
