//go:build !windows

package win32

// isSystem is false: the syscall.Errno of other systems counts differently.
func (e Errno) isSystem(error) bool { return false }
