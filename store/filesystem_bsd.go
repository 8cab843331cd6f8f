//go:build darwin || freebsd

package store

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// networkFilesystem names the file system that a directory is on, if locks and flushes there
// depend on a server or on another program; empty if it is a local one.
func networkFilesystem(directory *os.File) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(directory.Fd()), &stat); err != nil {
		return "", err
	}
	name := unix.ByteSliceToString(stat.Fstypename[:])
	switch {
	case name == "nfs", name == "smbfs", name == "afpfs", name == "webdav", name == "9p", strings.Contains(name, "fuse"):
		return name, nil
	}
	return "", nil
}
