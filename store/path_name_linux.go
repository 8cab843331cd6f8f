package store

import (
	"io/fs"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pathName is a name in a directory, as the kernel wants it: ended by a zero byte. The functions of
// package unix make one anew for every call, and looking allocates nothing.
type pathName []byte

func newPathName(name string) pathName { return append([]byte(name), 0) }

// leadsTo reports whether the name leads to the file that opened describes. It does not ask for the time of the last write: see
// copyFile.remember.
func (n pathName) leadsTo(d *directory, opened fs.FileInfo) bool {
	was, known := opened.Sys().(*syscall.Stat_t)
	if !known {
		return false
	}
	var now unix.Statx_t
	_, _, errno := unix.Syscall6(unix.SYS_STATX, d.handle.Fd(), uintptr(unsafe.Pointer(unsafe.SliceData(n))),
		unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO, uintptr(unsafe.Pointer(&now)), 0)
	if errno == unix.ENOSYS || errno == unix.EPERM { // before Linux 4.11, or in a sandbox that is
		var stat unix.Stat_t
		err := unix.Fstatat(int(d.handle.Fd()), string(n[:len(n)-1]), &stat, unix.AT_SYMLINK_NOFOLLOW)
		return err == nil && stat.Dev == was.Dev && stat.Ino == was.Ino
	}
	return errno == 0 && unix.Mkdev(now.Dev_major, now.Dev_minor) == uint64(was.Dev) && now.Ino == was.Ino
}
