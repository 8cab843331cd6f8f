package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// networkFilesystem names the file system that a directory is on, if locks and flushes there
// depend on a server or on another program; empty if it is a local one. The numbers are those of statfs(2).
func networkFilesystem(directory *os.File) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(directory.Fd()), &stat); err != nil {
		return "", err
	}
	switch uint32(stat.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS", nil
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB", nil
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE", nil
	case unix.V9FS_MAGIC:
		return "9P", nil
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph", nil
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS", nil
	case unix.CODA_SUPER_MAGIC:
		return "Coda", nil
	}
	return "", nil
}
