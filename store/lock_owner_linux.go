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
// cannot be found out. Lines of /proc/locks are like
//
//	17: FLOCK  ADVISORY  WRITE 4242 fd:01:131077 0 EOF
//
// Source: https://man7.org/linux/man-pages/man5/proc_locks.5.html
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
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[3] != "WRITE" || fields[5] != inode {
			continue // those who wait have an arrow in the second field
		}
		if pid, err = strconv.Atoi(fields[4]); err != nil || pid <= 0 {
			return 0, "" // it is of another PID namespace
		}
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			return pid, ""
		}
		return pid, strings.TrimSpace(string(name))
	}
	return 0, ""
}
