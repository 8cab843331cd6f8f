package reservation

import "context"

// A Keeper keeps the ports of runtime reservations from everybody else in the system, so that not
// only the callers of this engine respect them. Package sockets/hold has the one that does it with
// real sockets. Implementations are safe for concurrent use.
type Keeper interface {
	// Keep takes every port of r, all or none, until the block that it returns is closed. The engine
	// holds no lock when it calls it.
	//
	// If somebody else has a port the error is an [*Error] that wraps [ErrInUse] and whose Range is
	// that one port: the engine passes it over and goes on. Any other error ends the acquire. If the system lacks what holding needs, file descriptors above all, it wraps
	// [ErrLimit] and nothing was taken.
	Keep(ctx context.Context, protocol Protocol, r Range) (KeptBlock, error)
}

// A KeptBlock is a block whose ports a [Keeper] keeps. It is safe for concurrent use.
type KeptBlock interface {
	// Close lets go of every port of the block that no socket was bound from. Sockets that were
	// bound from it keep theirs. A second Close does nothing.
	Close() error
}

// A KeptEndpoint is an [Endpoint] that may draw from a block that is kept. Who binds a real socket in
// a [TryBind] asks it first: the port is not free for a plain bind then, and the block hands it over.
//
// Several sockets may be bound to one port of a block, at different addresses or sharing one by an
// option: whether they may is for the system to say, as if the block were not kept (rule S4). So a
// block hands over a port that it has handed over already, as long as the system lets it.
type KeptEndpoint interface {
	// Kept returns the block that the endpoint is associated with, nil if it is not associated or
	// its block is not kept.
	Kept() KeptBlock
}
