package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is where the locked byte is: far behind the text, since Windows keeps others from
// reading what is locked.
const lockOffset = 1 << 30

// tryLock takes the lock of an open file if nobody has it. The lock belongs to the handle, so
// another handle of the same process does not get it either.
func tryLock(file *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// waitLock takes the lock of an open file when its turn comes.
func waitLock(file *os.File) error {
	handle := windows.Handle(file.Fd())
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(event) }()
	overlapped := &windows.Overlapped{OffsetHigh: lockOffset, HEvent: event}
	err = windows.LockFileEx(handle, windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, overlapped)
	if errors.Is(err, windows.ERROR_IO_PENDING) {
		var transferred uint32
		err = windows.GetOverlappedResult(handle, overlapped, &transferred, true)
	}
	return err
}

func unlock(file *os.File) error {
	return windows.UnlockFileEx(windows.Handle(file.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffset})
}
