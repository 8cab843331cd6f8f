package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// podmanSubject is the file of ports of Podman's machines. It is kept by a program of its own, for
// what Podman needs cannot be built together with what this module needs.
const podmanSubject = "Podman machine ports"

var podmanProperties = []string{"port numbers alone, in a file of JSON that is rewritten under a lock file", "1 fsync each, none of the directory", "also binds a TCP port each time"}

// The requests and answers of cmd/berthbench/podman.
type (
	podmanRequest struct {
		Writers int `json:"writers"`
		Pairs   int `json:"pairs"`
	}
	podmanAnswer struct {
		fault
		Nanoseconds int64 `json:"nanoseconds"`
		Records     int   `json:"records"`
	}
)

// A podmanMeasure is a process in which writers allocate and release ports.
type podmanMeasure struct {
	process   *child
	directory string
	request   podmanRequest
}

func podmanJob(options Options, work result.Work) Job {
	count := operations(32, 2, work.Goroutines, options.Quick)
	return Job{
		Group:      groupDurable,
		Work:       work,
		Subject:    podmanSubject,
		Unit:       unitTime,
		Properties: podmanProperties,
		Prepare: func(_ context.Context, directory string) (Measure, error) {
			return preparePodman(directory, options.Podman, work.Goroutines, count)
		},
	}
}

func preparePodman(directory string, line []string, writers, operations int) (Measure, error) {
	own, err := os.MkdirTemp(directory, "job-*")
	if err != nil {
		return nil, err
	}
	process, err := startChild(append(line[:len(line):len(line)], own), nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the program that asks Podman: %w", err), os.RemoveAll(own))
	}
	return &podmanMeasure{process, own, podmanRequest{Writers: writers, Pairs: max(1, operations/writers/2)}}, nil
}

// Sample lets every writer allocate and release a port, over and over. An operation is one of the two.
func (m *podmanMeasure) Sample(ctx context.Context) (float64, int, int, error) {
	var answer podmanAnswer
	err := m.process.ask(ctx, m.request, &answer)
	if err == nil {
		err = answer.err()
	}
	if err == nil && answer.Records != baseRecords {
		err = fmt.Errorf("the file of Podman has %d ports and should have %d", answer.Records, baseRecords)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	operations := 2 * m.request.Writers * m.request.Pairs
	return float64(answer.Nanoseconds) / float64(operations), operations, operations, nil
}

func (m *podmanMeasure) Close() error {
	return errors.Join(m.process.Close(), os.RemoveAll(m.directory))
}
