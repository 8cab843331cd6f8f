//go:build !linux

package store

import (
	"io/fs"
	"os"
)

// glance reports whether path leads to the file that opened describes, and its size. It returns an
// error if there is nothing or if the file has a second name.
func glance(path string, file *os.File, opened fs.FileInfo) (same bool, size int64, err error) {
	return glanceByStat(path, file, opened)
}
