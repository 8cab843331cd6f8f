package winsock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// withCondition puts what a system's error means in front of it: a condition of the engine, or,
// where that has none, a code of Winsock.
func withCondition(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %w", reservation.ErrClosed, err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", WSAETIMEDOUT, err)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if meaning := meaningOf(errno); meaning != nil {
			return fmt.Errorf("%w: %w", meaning, err)
		}
	}
	var address *net.AddrError
	if errors.As(err, &address) {
		return fmt.Errorf("%w: %w", reservation.ErrAddress, err)
	}
	return err
}
