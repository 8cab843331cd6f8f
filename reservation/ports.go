package reservation

import "context"

// A PortTable tells which ports the sockets of the whole computer are bound to. Implementations are
// safe for concurrent use. Package sockets/inuse has the real one, tests and simulators their own.
type PortTable interface {
	// InUse returns the ports of within that any socket is bound to, by whatever address, IPv4 or
	// IPv6: ascending, each once. A TCP port counts whether or not the socket listens.
	InUse(ctx context.Context, protocol Protocol, within Range) ([]uint16, error)

	// Holders returns the same ports with their owners as far as the system tells them to us. It
	// may be much slower than InUse and serves messages only: it returns what it could find, and
	// never fails a call whose message it decorates. A port may appear more than once.
	Holders(ctx context.Context, protocol Protocol, within Range) ([]Holder, error)
}

// A Holder is a socket bound to a port, and who owns it.
type Holder struct {
	Port    uint16
	PID     uint32 // 0 if unknown
	Program string // empty if unknown
	Ours    bool   // bound through an endpoint of this host
}
