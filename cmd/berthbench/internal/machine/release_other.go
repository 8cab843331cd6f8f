//go:build !unix && !windows

package machine

func release() string { return "" }
