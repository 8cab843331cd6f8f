//go:build !unix && !windows

package inuse

import "github.com/berthkit/berth/reservation"

// probePort returns errNoTable: this system has no sockets that x/sys could bind.
func probePort(reservation.Protocol, uint16) (bool, error) { return false, errNoTable }
