package supervise

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/berthkit/berth/reservation"
)

// A draw gives out the ports of a block to those who ask for any: one after the other, so that a port
// that was closed just now is not the next one.
type draw struct {
	block Block
	next  atomic.Uint32 // counts the ports that were tried
}

func newDraw(block Block) *draw { return &draw{block: block} }

// bind binds a socket to address at the next port of the block that nobody has there. If there is
// none it returns the error of the last one tried, which wraps reservation.ErrInUse.
func (d *draw) bind(socket int, address netip.Addr) error {
	ports := d.block.Range()
	var err error
	for range ports.Count() {
		offset := int(d.next.Add(1)-1) % ports.Count()
		port := uint16(int(ports.First()) + offset)
		err = d.block.Bind(socket, netip.AddrPortFrom(address, port))
		if !errors.Is(err, reservation.ErrInUse) {
			return err
		}
	}
	return err
}
