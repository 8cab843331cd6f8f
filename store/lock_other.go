//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package store

import (
	"errors"
	"fmt"
	"os"
)

// tryLock reports that this system has no lock that dies with its process.
func tryLock(*os.File) (bool, error) {
	return false, fmt.Errorf("file locks on this system: %w", errors.ErrUnsupported)
}

func unlock(*os.File) error { return nil }
