//go:build !linux && !darwin && !windows

package inuse

import (
	"context"

	"github.com/berthkit/berth/reservation"
)

// readTable returns errNoTable: here the ports are probed.
func readTable(context.Context, reservation.Protocol, reservation.Range, visitor) error {
	return errNoTable
}

// findOwners finds nobody: a probe does not tell who holds a port.
func findOwners(context.Context, map[uint32]bool) map[uint32]process { return nil }
