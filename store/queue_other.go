//go:build !linux

package store

import "os"

// newQueueLock returns the lock of who is next: a plain one here. Who gives it back and wants it again
// at once may get in before the one who has waited longest, once in a while.
func newQueueLock(file *os.File) lock { return &fileLock{file} }
