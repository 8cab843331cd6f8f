package system

import (
	"context"
	"fmt"

	"github.com/berthkit/berth/reservation"
)

// A dynamicPorts knows the ranges that automatic assignment draws from. [reservation.Process] is one.
type dynamicPorts interface {
	Dynamic(ctx context.Context, protocol reservation.Protocol) (reservation.Range, error)
	SetDynamic(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error
}

// Dynamic returns the range that the engine assigns ports from by itself: reservations that leave the
// place to it, and binds to port 0 of its endpoints. It is the store's, not that of the system's
// kernel. It returns ErrInvalid for an unknown protocol, ErrUnsupported on Windows' own reservations.
func (c *Computer) Dynamic(ctx context.Context, protocol reservation.Protocol) (reservation.Range, error) {
	if c.dynamic == nil {
		return reservation.Range{}, noDynamic("dynamic range", protocol, reservation.Range{}, "show")
	}
	return c.dynamic.Dynamic(ctx, protocol)
}

// SetDynamic sets, durably, the range that Dynamic returns: at least 255 ports, none below 1025. It
// returns ErrInvalid for another one, ErrDenied without the right to write the store, ErrUnsupported
// on Windows' own reservations.
func (c *Computer) SetDynamic(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error {
	if c.dynamic == nil {
		return noDynamic("set dynamic range", protocol, r, "set")
	}
	return c.dynamic.SetDynamic(ctx, protocol, r)
}

// noDynamic says that the functions of Windows do not cover the dynamic range.
func noDynamic(op string, protocol reservation.Protocol, r reservation.Range, verb string) error {
	return &reservation.Error{Op: op, Protocol: protocol, Range: r, Err: fmt.Errorf(
		"%w: use Windows' own netsh interface ipv4 %s dynamicport", reservation.ErrUnsupported, verb)}
}
