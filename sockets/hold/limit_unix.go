//go:build unix

package hold

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/reservation"
)

// checkDescriptors returns an error if the process may not open that many files more.
func checkDescriptors(needed int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask for the limit of open files (RLIMIT_NOFILE): %w", err)
	}
	open, err := openDescriptors()
	if err != nil {
		return fmt.Errorf("count the open files of this process: %w", err)
	}
	if uint64(open)+uint64(needed) <= uint64(limit.Cur) {
		return nil
	}
	return fmt.Errorf("%w: RLIMIT_NOFILE is %d, %d files are open and the block needs %d more; raise the limit (ulimit -n) or hold fewer ports",
		reservation.ErrLimit, uint64(limit.Cur), open, needed)
}
