package jobs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// The roles of a helper process.
const (
	rolePorts     = "udp-port"  // gets ports by one peer
	roleNeighbour = "neighbour" // has the ports that are taken already
)

// RunHelper is a helper process: it does what it is asked on stdin and answers on stdout, in the role
// that follows [Options.Helper] on its command line, until stdin ends. Further peers are those of
// Options.Peers. An interrupt from the terminal is left to the parent.
func RunHelper(ctx context.Context, role string, further []Peer, stdin io.Reader, stdout io.Writer) error {
	signal.Ignore(os.Interrupt)
	switch role {
	case rolePorts:
		return runPorts(ctx, peers(further), stdin, stdout)
	case roleNeighbour:
		return runNeighbour(ctx, stdin, stdout)
	}
	return fmt.Errorf("a helper has no role %q", role)
}
