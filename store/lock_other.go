//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package store

import (
	"errors"
	"fmt"
	"os"
)

// tryLock reports that this system has no lock that dies with its process.
func tryLock(*os.File) (bool, error) { return false, errNoLocks }

func waitLock(*os.File) error { return errNoLocks }

func unlock(*os.File) error { return nil }

var errNoLocks = fmt.Errorf("file locks on this system: %w", errors.ErrUnsupported)
