package hold

import (
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

const systemHandover = Gapless

var spansWithIPv6 = []span{bothFamilies}

func openSocket(family int, protocol reservation.Protocol) (int, error) {
	kind := unix.SOCK_DGRAM
	if protocol == pool.TCP {
		kind = unix.SOCK_STREAM
	}
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC, int(protocol))
}
