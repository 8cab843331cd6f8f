//go:build !linux

package jobs

import (
	"fmt"
	"runtime"
	"syscall"

	"github.com/berthkit/berth/pool"
)

func ownNetwork() (*syscall.SysProcAttr, error) {
	return nil, fmt.Errorf("%w: %s has none for a process", errNoOwnNetwork, runtime.GOOS)
}

func furnishNetwork(pool.Range) error { return errNoOwnNetwork }
