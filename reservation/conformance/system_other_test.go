//go:build !windows

package conformance_test

import "testing"

// ownDoor is the door of a process that stands for one on Windows.
func ownDoor(t *testing.T) door { return simulatedDoor(t) }
