package inuse

import (
	"strconv"
	"strings"
)

// parseSocketLink returns the inode of "socket:[INODE]", which is how /proc/PID/fd shows a socket.
func parseSocketLink(target string) (inode uint32, ok bool) {
	digits, found := strings.CutPrefix(target, "socket:[")
	if !found {
		return 0, false
	}
	digits, found = strings.CutSuffix(digits, "]")
	if !found {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}
