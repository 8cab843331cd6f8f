package jobs

import (
	"errors"
	"os"
)

// replaceFile does by hand what renameio does elsewhere: it has no WriteFile on Windows, where a
// rename over a file is not promised to be atomic.
func replaceFile(path string, data []byte) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
