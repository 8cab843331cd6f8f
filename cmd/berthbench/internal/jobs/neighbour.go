package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// A neighbour is another program on the computer, a process of its own: it has the ports that are
// taken already, and it is the thief that binds a port as soon as it sees its number.
type neighbour struct{ process *child }

// A neighbourRequest asks the neighbour to bind ports on 127.0.0.1, or to close them again.
type neighbourRequest struct {
	Take []uint16 `json:"take,omitempty"`
	Drop []uint16 `json:"drop,omitempty"`
}

type neighbourAnswer struct {
	fault
	Refused []uint16 `json:"refused,omitempty"` // of those that it should take
}

func newNeighbour(helper []string) (*neighbour, error) {
	process, err := startChild(append(helper[:len(helper):len(helper)], roleNeighbour), nil)
	if err != nil {
		return nil, fmt.Errorf("start the neighbour: %w", err)
	}
	return &neighbour{process}, nil
}

// take makes the neighbour bind ports, and returns those that it was refused.
func (n *neighbour) take(ctx context.Context, ports ...uint16) ([]uint16, error) {
	var answer neighbourAnswer
	if err := n.process.ask(ctx, neighbourRequest{Take: ports}, &answer); err != nil {
		return nil, err
	}
	return answer.Refused, answer.err()
}

// drop makes the neighbour close ports; those that it does not have do not matter.
func (n *neighbour) drop(ctx context.Context, ports ...uint16) error {
	var answer neighbourAnswer
	if err := n.process.ask(ctx, neighbourRequest{Drop: ports}, &answer); err != nil {
		return err
	}
	return answer.err()
}

func (n *neighbour) Close() error { return n.process.Close() }

// runNeighbour is the neighbour's own side.
func runNeighbour(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	held := map[uint16]io.Closer{}
	return serve(ctx, stdin, stdout, func(_ context.Context, request neighbourRequest) (answer neighbourAnswer) {
		for _, port := range request.Take {
			conn, err := listenLoopback(port)
			switch {
			case err == nil:
				held[port] = conn
			case isRefused(err):
				answer.Refused = append(answer.Refused, port)
			default:
				answer.Fault = err.Error()
				return answer
			}
		}
		for _, port := range request.Drop {
			if conn := held[port]; conn != nil {
				_ = conn.Close()
				delete(held, port)
			}
		}
		return answer
	})
}

// listenLoopback binds a UDP socket as everybody does, to a port of 127.0.0.1; 0 lets the kernel choose.
func listenLoopback(port uint16) (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
}

// isRefused reports whether the system refused to bind, as opposed to having no descriptors left and
// the like.
func isRefused(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "bind"
}
