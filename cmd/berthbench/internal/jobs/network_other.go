//go:build !linux

package jobs

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"github.com/berthkit/berth/pool"
)

var errNoNetwork = fmt.Errorf("%s gives a process no network of its own: %w", runtime.GOOS, errors.ErrUnsupported)

func ownNetwork() (*syscall.SysProcAttr, error) { return nil, errNoNetwork }

func furnishNetwork(pool.Range) error { return errNoNetwork }
