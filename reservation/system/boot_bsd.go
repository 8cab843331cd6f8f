//go:build dragonfly || freebsd || netbsd || openbsd

package system

import (
	"time"

	"golang.org/x/sys/unix"
)

func systemBootID() (string, error) {
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "", err
	}
	return bootTime("boottime", time.Unix(boot.Unix()))
}
