package command

import (
	"fmt"
	"io"
	"os"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// A writer writes a run in some format.
type writer func(w io.Writer, run *result.Run) error

func writeFile(path string, run *result.Run, write writer) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(file, run)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// readFile reads the results.json of a run.
func readFile(path string) (*result.Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	run, err := result.ReadJSON(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
