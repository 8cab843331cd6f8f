//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package store

import "os"

// stampDirectory returns a stamp that never settles: the path is looked at every time.
func stampDirectory(*os.File) directoryStamp { return directoryStamp{} }
