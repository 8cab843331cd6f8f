package store

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// glance reports whether path leads to the file that opened describes, and its size. It returns an
// error if there is nothing or if the file has a second name. It does not ask for the time of the last
// write: see copyFile.remember.
func glance(path string, file *os.File, opened fs.FileInfo) (same bool, size int64, err error) {
	var now unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_NLINK|unix.STATX_SIZE, &now)
	was, known := opened.Sys().(*syscall.Stat_t)
	if !known || err == unix.ENOSYS || err == unix.EPERM { // before Linux 4.11, or in a sandbox that is
		return glanceByStat(path, file, opened)
	}
	if err != nil {
		return false, 0, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	if now.Nlink > 1 {
		return false, 0, severalNames(path, uint64(now.Nlink))
	}
	device := unix.Mkdev(now.Dev_major, now.Dev_minor)
	return device == uint64(was.Dev) && now.Ino == was.Ino, int64(now.Size), nil
}
