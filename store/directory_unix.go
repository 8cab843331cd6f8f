//go:build unix

package store

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep an open from following a link and from waiting for the other end of a FIFO.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC

// checkOwner refuses what belongs to another user, root excepted, or what others may write.
func checkOwner(path string, info fs.FileInfo, advice string) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if uid := os.Geteuid(); stat.Uid != 0 && int(stat.Uid) != uid {
		return unsafePath(path, fmt.Sprintf("belongs to user %d, and this process is user %d", stat.Uid, uid), "run as its owner or use a path of your own")
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return unsafePath(path, fmt.Sprintf("may be written by other users (mode %04o)", mode), advice)
	}
	return nil
}

// checkLinks refuses a file that has a second name: somebody could change it through that one.
func checkLinks(path string, _ *os.File, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		return severalNames(path, uint64(stat.Nlink))
	}
	return nil
}

// sameStamp reports whether nobody has written to a file between two looks at it.
func sameStamp(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func restrict(file *os.File) error { return file.Chmod(0o600) }

func syncDirectory(handle *os.File) error { return handle.Sync() }
