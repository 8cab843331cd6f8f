package win32

import (
	"errors"
	"syscall"
)

func (e Errno) isSystem(target error) bool {
	return errors.Is(syscall.Errno(e), target)
}
