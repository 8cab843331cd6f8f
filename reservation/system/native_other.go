//go:build !windows

package system

import "github.com/berthkit/berth/reservation"

// openNative is for Windows alone; Open does not call it elsewhere.
func openNative(*Options) (*Computer, error) { return nil, reservation.ErrUnsupported }
