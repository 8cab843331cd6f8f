package win32

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// An Errno is an error code of Windows: 0 for success, below 10000 a Win32 code, from there on one
// of Winsock. As an error it is both itself and the condition of package reservation that it stands
// for, so errors.Is(win32.WSAEADDRINUSE, reservation.ErrInUse) holds. On Windows it is also the
// syscall.Errno of the same number.
type Errno uint32

// Error returns Microsoft's English text for the code, or "Windows error N" if this package has none.
func (e Errno) Error() string {
	if i, found := e.message(); found {
		return messages[i].text
	}
	return fmt.Sprintf("Windows error %d", uint32(e))
}

// String returns what Error returns.
func (e Errno) String() string { return e.Error() }

// Name returns the symbol of the code in Microsoft's headers, such as "ERROR_ACCESS_DENIED", or its
// number if this package has no name for it.
func (e Errno) Name() string {
	if i, found := e.message(); found {
		return messages[i].name
	}
	return strconv.FormatUint(uint64(e), 10)
}

func (e Errno) message() (index int, found bool) {
	return slices.BinarySearchFunc(messages[:], e, func(m message, code Errno) int { return cmp.Compare(m.code, code) })
}

// IsWinsock reports whether the code is one of Winsock, 10000 or above.
func (e Errno) IsWinsock() bool { return e >= 10000 }

// Is reports whether target is the condition that the code stands for, or what that wraps; on
// Windows also whether target is the syscall.Errno of the same number, or what that is.
func (e Errno) Is(target error) bool {
	return errors.Is(e.Condition(), target) || e.isSystem(target)
}
