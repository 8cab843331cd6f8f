//go:build !unix

package supervise

// IsHelper returns false: this system does without helpers.
func IsHelper([]string) bool { return false }

// RunHelper is never called where [IsHelper] returns false.
func RunHelper([]string) int { return 1 }
