//go:build !unix

package hold

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

const handover = WithGap

type guards struct{}

func unsupported(op string, protocol reservation.Protocol, r reservation.Range) error {
	return &reservation.Error{Op: op, Protocol: protocol, Range: r,
		Err: fmt.Errorf("%w: ports are not held by sockets on %s", reservation.ErrUnsupported, runtime.GOOS)}
}

func hold(_ context.Context, protocol reservation.Protocol, r reservation.Range) (*Block, error) {
	return nil, unsupported("acquire", protocol, r)
}

func (b *Block) listenUDP(context.Context, string, *net.UDPAddr, func(string, string, syscall.RawConn) error) (*net.UDPConn, error) {
	return nil, unsupported("bind", b.protocol, b.ports)
}

func (b *Block) listenTCP(context.Context, string, *net.TCPAddr, func(string, string, syscall.RawConn) error) (*net.TCPListener, error) {
	return nil, unsupported("bind", b.protocol, b.ports)
}

func (b *Block) bind(int, netip.AddrPort) error { return unsupported("bind", b.protocol, b.ports) }
func (b *Block) listen(int, int) error          { return unsupported("bind", b.protocol, b.ports) }
func (b *Block) takeBack(uint16) error          { return nil }
func (b *Block) letGo() error                   { return nil }
