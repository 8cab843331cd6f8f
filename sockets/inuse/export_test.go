package inuse

import (
	"context"
	"errors"
	"syscall"

	"github.com/berthkit/berth/pool"
)

// AppendSockDiagRequest lets the benchmark send the same request without our reader.
var AppendSockDiagRequest = appendSockDiagRequest

// TableRefusal returns why this system does not let us read its table, nil if it does. An answer
// that we do not understand is no refusal.
func TableRefusal(ctx context.Context) error {
	err := readTable(ctx, pool.UDP, pool.AllPorts, func(uint16, uint32) {})
	for _, refusal := range []error{errNoTable, syscall.EPERM, syscall.EACCES, syscall.ENOENT, syscall.EAFNOSUPPORT} {
		if errors.Is(err, refusal) {
			return err
		}
	}
	return nil
}
