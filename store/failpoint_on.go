//go:build failpoints

package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Failpoints, in the order in which a commit, a file written anew and a creation pass them. They
// exist under the build tag failpoints alone. The detail of a point is the file or path concerned.
const (
	FailBeforeWrite     = "before-write"     // of one file: nothing of the commit is in it yet
	FailInTransaction   = "in-transaction"   // of one file: inside bbolt's transaction, before it writes
	FailBeforeSync      = "before-sync"      // of one file: the commit is in both files, not yet on disk
	FailAfterSync       = "after-sync"       // of one file: the commit is on disk; stands for a flush that failed after it happened
	FailBeforeMemory    = "before-memory"    // the commit is on disk in both files, not yet in memory and not acknowledged
	FailMarkDurable     = "mark-durable"     // before the lock file says which commit is on disk
	FailSettle          = "settle"           // of a file that somebody else may not have flushed, before it is
	FailCreateFile      = "create-file"      // of a new file, before it is made
	FailFileSync        = "file-sync"        // of a new file, filled, before it is flushed
	FailRename          = "rename"           // before a file takes the place of another
	FailDirectorySync   = "directory-sync"   // after a name changed, before that is durable
	FailLink            = "link"             // of a store's creation, before a new file gets its name
	FailUnlink          = "unlink"           // of a store's creation, before the temporary name goes
	FailMarkInitialised = "mark-initialised" // before the lock file says that a store was made
)

// Failpoints lists all points.
func Failpoints() []string {
	return []string{
		FailBeforeWrite, FailInTransaction, FailBeforeSync, FailAfterSync, FailBeforeMemory, FailMarkDurable, FailSettle,
		FailCreateFile, FailFileSync, FailRename, FailDirectorySync, FailLink, FailUnlink, FailMarkInitialised,
	}
}

var failpoints struct {
	mu   sync.Mutex
	hook func(point, detail string) error
}

// SetFailpoint makes hook decide at every failpoint: an error fails the step there, and the hook
// may also wait, panic or end the process. Nil takes the hook away.
func SetFailpoint(hook func(point, detail string) error) {
	failpoints.mu.Lock()
	defer failpoints.mu.Unlock()
	failpoints.hook = hook
}

// KillFailpoint returns a hook that ends the process with SIGKILL when it is at a point for the
// nth time. Its argument is "point=n", as a harness hands it to a child process in an environment variable.
func KillFailpoint(spec string) (func(point, detail string) error, error) {
	name, count, _ := strings.Cut(spec, "=")
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, fmt.Errorf("failpoint %q: want point=n", spec)
	}
	var passed atomic.Int64
	return func(point, _ string) error {
		if point == name && passed.Add(1) == int64(n) {
			process, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			if err := process.Signal(syscall.SIGKILL); err != nil {
				return err
			}
			select {} // the signal ends us
		}
		return nil
	}, nil
}

func failpoint(point, detail string) error {
	failpoints.mu.Lock()
	hook := failpoints.hook
	failpoints.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(point, detail)
}
