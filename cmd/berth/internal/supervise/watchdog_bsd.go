//go:build unix && !linux

package supervise

import "errors"

// watch is for Linux.
func watch([]string) error { return errors.ErrUnsupported }
