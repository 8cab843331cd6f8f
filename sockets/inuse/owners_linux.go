package inuse

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findOwners finds the processes that have descriptors of the sockets with these inodes, by
// /proc/PID/fd, as far as this user may look there and ctx allows. A socket that several processes
// share goes to the one found first.
func findOwners(ctx context.Context, inodes map[uint32]bool) map[uint32]process {
	found := make(map[uint32]process, len(inodes))
	if len(inodes) == 0 {
		return found
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return found
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue // not a process
		}
		if ctx.Err() != nil || len(found) == len(inodes) {
			break
		}
		findSockets(ctx, filepath.Join("/proc", name), uint32(pid), inodes, found)
	}
	return found
}

// findSockets adds to found those of the inodes that the process has open.
func findSockets(ctx context.Context, directory string, pid uint32, inodes map[uint32]bool, found map[uint32]process) {
	const batch = 1024 // descriptors between two looks at ctx
	descriptors, err := os.Open(filepath.Join(directory, "fd"))
	if err != nil {
		return // gone, or another user's
	}
	defer descriptors.Close()
	owner := process{pid: pid}
	for ctx.Err() == nil {
		names, err := descriptors.Readdirnames(batch)
		for _, name := range names {
			target, _ := os.Readlink(descriptors.Name() + "/" + name)
			inode, ok := parseSocketLink(target)
			if _, known := found[inode]; !ok || known || !inodes[inode] {
				continue
			}
			if owner.name == "" {
				comm, _ := os.ReadFile(filepath.Join(directory, "comm"))
				owner.name = strings.TrimSuffix(string(comm), "\n")
			}
			found[inode] = owner
		}
		if err != nil {
			return
		}
	}
}
