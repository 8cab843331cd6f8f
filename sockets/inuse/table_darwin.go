package inuse

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/reservation"
)

// pcbListAttempts is how often a list that outgrows its buffer is asked for again: the kernel's
// estimate leaves an eighth for new sockets.
const pcbListAttempts = 8

// readTable reads the kernel's list of the protocol's control blocks, which has IPv4 and IPv6.
func readTable(ctx context.Context, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	name := "net.inet." + protocol.String() + ".pcblist_n"
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		list, err := unix.SysctlRaw(name)
		if errors.Is(err, unix.ENOMEM) && attempt < pcbListAttempts {
			continue
		}
		if err != nil {
			return os.NewSyscallError("sysctl "+name, err)
		}
		return parsePCBList(list, within, visit)
	}
}

// findOwners finds the names of processes.
func findOwners(ctx context.Context, pids map[uint32]bool) map[uint32]process {
	found := make(map[uint32]process, len(pids))
	for pid := range pids {
		if ctx.Err() != nil {
			break
		}
		owner := process{pid: pid}
		if info, err := unix.SysctlKinfoProc("kern.proc.pid", int(pid)); err == nil {
			owner.name = unix.ByteSliceToString(info.Proc.P_comm[:])
		}
		found[pid] = owner
	}
	return found
}
