//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package store

import "os"

// A directoryStamp never settles here: the path is looked at every time.
type directoryStamp struct{ settled bool }

func stampDirectory(*os.File) directoryStamp { return directoryStamp{} }
