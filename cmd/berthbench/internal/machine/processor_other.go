//go:build !linux && !darwin && !freebsd && !windows

package machine

func processor() string { return "" }
