//go:build !unix

package hold

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/berthkit/berth/reservation"
)

const systemHandover = WithGap

type guards []int

func (guards) close() {}

func unsupported() error {
	return fmt.Errorf("%w: ports are not held by sockets on %s", reservation.ErrUnsupported, runtime.GOOS)
}

func (b *Block) hold(context.Context) error {
	return &reservation.Error{Op: "acquire", Protocol: b.protocol, Range: b.ports, Err: unsupported()}
}

func (b *Block) listenUDP(_ context.Context, _ string, laddr *net.UDPAddr, _ control) (*net.UDPConn, error) {
	return nil, b.refuse(uint16(laddr.Port), unsupported())
}

func (b *Block) listenTCP(_ context.Context, _ string, laddr *net.TCPAddr, _ control) (*net.TCPListener, error) {
	return nil, b.refuse(uint16(laddr.Port), unsupported())
}

func (b *Block) bind(_ int, address netip.AddrPort) error {
	return b.refuse(address.Port(), unsupported())
}

func (b *Block) listen(int, int) error { return b.refuse(b.ports.First(), unsupported()) }

func (b *Block) takeBack(*port, uint16) {}
