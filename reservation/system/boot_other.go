//go:build !linux && !darwin && !windows && !dragonfly && !freebsd && !netbsd && !openbsd

package system

func systemBootID() (string, error) { return "", ErrBootUnknown }
