//go:build unix

package supervise

import (
	"fmt"
	"os"
	"strings"
)

// The names, argument zero, that this program's file is executed under to be a helper.
const (
	launcherName = "berth-launcher"
	watchdogName = "berth-watchdog"
)

// IsHelper reports whether a process that was started with these arguments is one of our helpers. Its
// main function then calls [RunHelper] before anything else.
func IsHelper(arguments []string) bool {
	return len(arguments) > 0 && (arguments[0] == launcherName || arguments[0] == watchdogName)
}

// RunHelper does what a helper is for and returns its exit code, unless it becomes the program.
func RunHelper(arguments []string) int {
	var err error
	switch arguments[0] {
	case launcherName:
		err = launch(arguments[1:])
	case watchdogName:
		err = watch(arguments[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "berth: %s: %v\n", strings.TrimPrefix(arguments[0], "berth-"), err)
		return helperFailed
	}
	return 0
}

// helperFailed is the exit code of a helper that berth was not there to hear of.
const helperFailed = 125
