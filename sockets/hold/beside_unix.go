//go:build unix && !linux

package hold

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/berthkit/berth/reservation"
)

func unsupported() error {
	return fmt.Errorf("%w: %s has no way to hand a port over to a socket that is already open", reservation.ErrUnsupported, runtime.GOOS)
}

func (b *Block) listenUDPBeside(context.Context, *port, string, *net.UDPAddr, control) (*net.UDPConn, error) {
	return nil, unsupported()
}

func (b *Block) listenTCPBeside(*port, string, *net.TCPAddr, control) (*net.TCPListener, error) {
	return nil, unsupported()
}

func (b *Block) bind(_ int, address netip.AddrPort) error {
	return b.refuse(address.Port(), unsupported())
}

func (b *Block) listen(int, int) error { return b.refuse(b.ports.First(), unsupported()) }

// takeBack has a returned port guarded again as soon as its sockets are closed.
func (b *Block) takeBack(_ *port, number uint16) { b.lookLater(number, firstLook) }
