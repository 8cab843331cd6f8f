// Package hold keeps blocks of ports with real sockets, so that the system itself refuses everybody
// else, and frees all of it when the process ends, whatever the reason.
//
//   - A [Keeper] is a [reservation.Keeper]: it binds one socket, the guard, to every port of a block.
//   - A [Block] hands its ports over to the sockets of applications, and takes them back.
//   - [Handover] says whether that leaves a moment in which somebody else could take the port.
//
// A guard is bound to every address of both families, without an option that would let another
// socket beside it, and lets nothing in. docs/held-ports.md says how a port is handed over, what is
// left to programs of the same user, and what it costs.
package hold

import (
	"context"
	"fmt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Handover says how a port goes from the hold to the socket of an application, and back.
type Handover uint8

const (
	// Gapless means that there is no moment in which a program of another user could take the port.
	Gapless Handover = 1 + iota
	// WithGap means that the port is free for a moment: the guard is closed and the application's
	// socket bound at once, and the other way round.
	WithGap
)

// String returns "gapless" or "with a gap".
func (h Handover) String() string {
	switch h {
	case Gapless:
		return "gapless"
	case WithGap:
		return "with a gap"
	}
	return fmt.Sprintf("Handover(%d)", uint8(h))
}

// A Keeper keeps blocks of ports. It is safe for concurrent use.
type Keeper struct {
	handover Handover
	spans    []span // what the guards of a port cover together; nil asks the system
}

var _ reservation.Keeper = (*Keeper)(nil)

// New returns a Keeper. It opens nothing.
func New() *Keeper { return &Keeper{handover: systemHandover} }

// Keep is [Keeper.Hold] for the engine. The dynamic type of the result is *Block.
func (k *Keeper) Keep(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.KeptBlock, error) {
	block, err := k.Hold(ctx, protocol, r)
	if err != nil {
		return nil, err
	}
	return block, nil
}

// Hold binds a guard to every port of r, in order, or to none.
//
// Errors are [*reservation.Error] values that wrap
//   - [reservation.ErrInvalid] for an unknown protocol or a zero range,
//   - [reservation.ErrInUse] if a socket has a port of r, and Range is that one port,
//   - [reservation.ErrDenied] for a port that needs a privilege, and Range is that one port,
//   - [reservation.ErrLimit] if the process may not open that many files: found before anything is
//     bound, or on the way if others open files at the same time; all is undone then,
//   - [reservation.ErrUnsupported] where the system cannot keep ports so, or
//   - the error of ctx.
func (k *Keeper) Hold(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (*Block, error) {
	refuse := func(err error) error {
		return &reservation.Error{Op: "acquire", Protocol: protocol, Range: r, Err: err}
	}
	if protocol != pool.UDP && protocol != pool.TCP {
		return nil, refuse(fmt.Errorf("%w: protocol %v; want udp or tcp", reservation.ErrInvalid, protocol))
	}
	if !r.IsValid() {
		return nil, refuse(fmt.Errorf("%w: no ports", reservation.ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return nil, refuse(err)
	}
	b := &Block{protocol: protocol, ports: r, handover: k.handover, spans: k.spans}
	b.idle.L = &b.mu
	if err := b.hold(ctx); err != nil {
		return nil, err
	}
	return b, nil
}
