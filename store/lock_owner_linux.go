package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockOwner tells which process has the lock of an open file, and its program; zero values if that
// cannot be found out.
func lockOwner(file *os.File) (pid int, program string) {
	info, err := file.Stat()
	if err != nil {
		return 0, ""
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	table, err := os.ReadFile("/proc/locks")
	if err != nil || !known {
		return 0, ""
	}
	device := uint64(stat.Dev)
	pid = findOwner(string(table), fmt.Sprintf("%02x:%02x:%d", unix.Major(device), unix.Minor(device), stat.Ino))
	if pid == 0 {
		return 0, ""
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return pid, ""
	}
	return pid, strings.TrimSpace(string(name))
}

// findOwner returns the process that has the lock of a file, by device and inode, in a table like
//
//	17: FLOCK  ADVISORY  WRITE 4242 fd:01:131077 0 EOF
//	17: -> FLOCK  ADVISORY  WRITE 4243 fd:01:131077 0 EOF
//
// where the second waits for the first. It returns 0 if nobody has it, or somebody of another PID namespace.
//
// Source: https://man7.org/linux/man-pages/man5/proc_locks.5.html
func findOwner(table, file string) (pid int) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[3] != "WRITE" || fields[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
