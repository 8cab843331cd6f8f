//go:build linux

package hold_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

func Example() {
	ctx, keeper := context.Background(), hold.New()

	var block *hold.Block
	for first := uint16(20000); block == nil; first += 4 {
		r, err := pool.RangeFrom(first, 4)
		if err == nil {
			block, err = keeper.Hold(ctx, pool.UDP, r)
		}
		if err != nil && !errors.Is(err, reservation.ErrInUse) { // in use: another program has one of the ports
			fmt.Println(err)
			return
		}
	}
	defer func() { _ = block.Close() }()

	address := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(block.Range().First())}
	isRefused := func() bool {
		_, err := net.ListenUDP("udp", address)
		return errors.Is(err, syscall.EADDRINUSE)
	}
	fmt.Println("another program is refused:", isRefused())

	conn, err := block.ListenUDP(ctx, "udp", address, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ours has it:", conn.LocalAddr().String() == address.String(), block.Handover())

	_ = block.Return(block.Range().First()) // before the socket is closed
	_ = conn.Close()
	fmt.Println("another program is refused:", isRefused())
	// Output:
	// another program is refused: true
	// ours has it: true gapless
	// another program is refused: true
}
