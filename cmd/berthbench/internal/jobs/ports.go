package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

const groupPorts = "udp-port"

// A portWork is a situation in which a free port is wanted.
type portWork struct {
	Fill  int  `json:"fill"`  // percent of the ports that others have
	Thief bool `json:"thief"` // somebody binds every number that is told before it is bound
}

var portWorks = []portWork{{Fill: 0}, {Fill: 50}, {Fill: 90}, {Fill: 99}, {Fill: 0, Thief: true}}

func (w portWork) describe() result.Work {
	if w.Thief {
		return result.Work{
			Name:        fmt.Sprintf("full=%d/thief", w.Fill),
			Description: "get one free UDP port bound and close it, while another process binds every number as soon as it is told",
			Fill:        w.Fill,
		}
	}
	return result.Work{
		Name:        fmt.Sprintf("full=%d", w.Fill),
		Description: fmt.Sprintf("get one free UDP port bound and close it, with %d %% of the ports bound by another process", w.Fill),
		Fill:        w.Fill,
	}
}

// portJobs returns the jobs of group "udp-port".
func portJobs(options Options) []Job {
	operations := 500
	if options.Quick {
		operations = 150
	}
	var jobs []Job
	for _, work := range portWorks {
		for _, peer := range peers(options.Peers) {
			jobs = append(jobs, Job{
				Group:      groupPorts,
				Work:       work.describe(),
				Subject:    peer.Name,
				Unit:       unitTime,
				Properties: slices.Clone(peer.Properties),
				Prepare: func(ctx context.Context, directory string) (Measure, error) {
					return preparePorts(ctx, directory, options.Helper, peer, work, operations)
				},
			})
		}
	}
	return jobs
}

// A portMeasure is a helper process in which a peer gets ports.
type portMeasure struct {
	helper     *child
	directory  string
	operations int
}

// preparePorts starts a helper with a directory of its own below directory.
func preparePorts(ctx context.Context, directory string, line []string, peer Peer, work portWork, operations int) (Measure, error) {
	own, err := os.MkdirTemp(directory, "job-*")
	if err != nil {
		return nil, err
	}
	settings := &portSettings{Peer: peer.Name, Work: work, Helper: line, Directory: own}
	helper, err := startPorts(ctx, settings, peer.Draws)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", peer.Name, err), os.RemoveAll(own))
	}
	return &portMeasure{helper: helper, directory: own, operations: operations}, nil
}

// startPorts starts a helper, in a network of its own if the system gives one.
func startPorts(ctx context.Context, settings *portSettings, draws Draw) (*child, error) {
	attributes, err := ownNetwork()
	if err == nil {
		settings.OwnNetwork = true
		var helper *child
		helper, err = startPortHelper(ctx, attributes, settings)
		if err == nil || !errors.Is(err, errNoOwnNetwork) {
			return helper, err
		}
	}
	if draws == EphemeralPorts && settings.Work.Fill > 0 {
		return nil, fmt.Errorf("it takes ports from where the kernel does, and that cannot be made %d %% full: %w", settings.Work.Fill, err)
	}
	settings.OwnNetwork = false
	return startPortHelper(ctx, nil, settings)
}

// startPortHelper starts a helper and hands it its settings. The error wraps errNoOwnNetwork if the
// attributes ask for a network and it cannot be had.
func startPortHelper(ctx context.Context, attributes *syscall.SysProcAttr, settings *portSettings) (*child, error) {
	line := settings.Helper
	helper, err := startChild(append(line[:len(line):len(line)], rolePorts), attributes)
	switch {
	case err != nil && attributes != nil:
		return nil, fmt.Errorf("%w: %w", errNoOwnNetwork, err)
	case err != nil:
		return nil, fmt.Errorf("start the helper: %w", err)
	}
	var answer portAnswer
	err = helper.ask(ctx, portRequest{Settings: settings}, &answer)
	if err == nil {
		err = answer.err()
	}
	if answer.NoNetwork {
		err = fmt.Errorf("%w: %w", errNoOwnNetwork, err)
	}
	if err != nil {
		return nil, errors.Join(err, helper.Close())
	}
	return helper, nil
}

// Sample lets the helper get some ports, one after the other.
func (m *portMeasure) Sample(ctx context.Context) (float64, int, int, error) {
	var answer portAnswer
	if err := m.helper.ask(ctx, portRequest{Operations: m.operations}, &answer); err != nil {
		return 0, 0, 0, err
	}
	if err := answer.err(); err != nil {
		return 0, 0, 0, err
	}
	return float64(answer.Nanoseconds) / float64(answer.Attempts), answer.Attempts, answer.Successes, nil
}

func (m *portMeasure) Close() error { return errors.Join(m.helper.Close(), os.RemoveAll(m.directory)) }
