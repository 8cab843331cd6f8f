//go:build !windows

package jobs

import "github.com/google/renameio/v2"

// replaceFile writes a file anew, beside the old one, flushes it and renames it over that.
func replaceFile(path string, data []byte) error { return renameio.WriteFile(path, data, 0o600) }
