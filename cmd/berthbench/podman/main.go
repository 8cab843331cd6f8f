// Command podman makes port numbers durable as Podman does for its machines, for the comparison in
// group "durable-create" of berthbench. It is a module of its own, because what Podman needs cannot be
// built together with what the other peers need:
//
//	go build -tags "remote containers_image_openpgp exclude_graphdriver_btrfs" .
//
// Its one argument is a directory, which it fills. It answers each request on its standard input,
// a line of JSON, with one on its standard output, until its input ends.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/containers/podman/v5/pkg/machine/env"
	"github.com/containers/podman/v5/pkg/machine/ports"
)

// A request asks Writers goroutines to allocate a port and release it again, Pairs times each.
type request struct {
	Writers int `json:"writers"`
	Pairs   int `json:"pairs"`
}

// An answer tells how long that took, and how many ports are allocated after it.
type answer struct {
	Nanoseconds int64  `json:"nanoseconds"`
	Records     int    `json:"records"`
	Fault       string `json:"fault,omitempty"`
}

// baseRecords is how many ports are allocated before anything is measured.
const baseRecords = 1000

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: podman DIRECTORY")
		os.Exit(2)
	}
	signal.Ignore(os.Interrupt) // the parent ends us by our standard input
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(directory string, stdin io.Reader, stdout io.Writer) error {
	file, err := fill(directory)
	if err != nil {
		return err
	}
	decoder, encoder := json.NewDecoder(stdin), json.NewEncoder(stdout)
	for {
		var asked request
		switch err := decoder.Decode(&asked); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a request: %w", err)
		}
		if err := encoder.Encode(measure(file, asked)); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
}

// fill writes the base records, ports that the kernel chooses for nobody, into Podman's file below
// directory, and returns its path.
func fill(directory string) (string, error) {
	if err := os.Setenv("XDG_DATA_HOME", directory); err != nil {
		return "", err
	}
	place, err := env.GetGlobalDataDir()
	if err != nil {
		return "", err
	}
	numbers := make([]int, baseRecords)
	for i := range numbers {
		numbers[i] = 1 + i
	}
	data, err := json.Marshal(numbers)
	if err != nil {
		return "", err
	}
	file := filepath.Join(place, "port-alloc.dat")
	return file, os.WriteFile(file, data, 0o644)
}

func measure(file string, asked request) answer {
	errs := make([]error, asked.Writers)
	var writers sync.WaitGroup
	started := time.Now()
	for i := range asked.Writers {
		writers.Go(func() { errs[i] = write(asked.Pairs) })
	}
	writers.Wait()
	measured := answer{Nanoseconds: time.Since(started).Nanoseconds()}
	err := errors.Join(errs...)
	if err == nil {
		measured.Records, err = count(file)
	}
	if err != nil {
		measured.Fault = err.Error()
	}
	return measured
}

func write(pairs int) error {
	for range pairs {
		port, err := ports.AllocateMachinePort()
		if err != nil {
			return err
		}
		if err := ports.ReleaseMachinePort(port); err != nil {
			return err
		}
	}
	return nil
}

func count(file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var numbers []int
	err = json.Unmarshal(data, &numbers)
	return len(numbers), err
}
