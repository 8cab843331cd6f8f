package inuse

import (
	"context"

	"github.com/berthkit/berth/reservation"
)

// probe is the reader for every system: it binds a socket to each port of within and visits the
// ports where that fails because another socket is bound. It asks for no address reuse, so sockets
// on specific addresses, of either family, and in TIME_WAIT are found as well. Owners are unknown.
func probe(ctx context.Context, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	for port := range within.Ports() {
		if err := ctx.Err(); err != nil {
			return err
		}
		bound, err := probePort(protocol, port)
		if err != nil {
			return err
		}
		if bound {
			visit(port, 0)
		}
	}
	return nil
}
