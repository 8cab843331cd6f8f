//go:build unix && !linux

package supervise

import "errors"

// prepare is for Linux.
func prepare(channel) error { return errors.ErrUnsupported }
