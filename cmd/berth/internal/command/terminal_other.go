//go:build !unix && !windows

package command

import "os"

func isTerminal(*os.File) bool { return false }
