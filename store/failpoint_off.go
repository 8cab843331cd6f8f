//go:build !failpoints

package store

// failpoint does nothing in ordinary builds; failpoint_on.go lists the points.
func failpoint(string, string) error { return nil }
