package jobs

import (
	"errors"
	"fmt"
)

// renameio does not replace files on Windows, as nothing does it there atomically.
func replaceFile(string, []byte) error {
	return fmt.Errorf("renameio has no WriteFile on Windows: %w", errors.ErrUnsupported)
}
