//go:build !linux

package docs_test

import (
	"errors"
	"os"
)

// openTerminal is made for Linux, where the documents are written and tested.
func openTerminal() (reader, writer *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}
