package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
				Prepare: func(ctx context.Context, _ string) (Measure, error) {
					return preparePorts(ctx, options.Helper, peer, work, operations)
				},
			})
		}
	}
	return jobs
}

// A portMeasure is a helper process in which a peer gets ports.
type portMeasure struct {
	helper     *child
	operations int
}

// preparePorts starts the helper, in a network of its own if the system gives one.
func preparePorts(ctx context.Context, helper []string, peer Peer, work portWork, operations int) (Measure, error) {
	settings := &portSettings{Peer: peer.Name, Work: work, Helper: helper}
	if attributes, err := ownNetwork(); err == nil {
		settings.OwnNetwork = true
		measure, err := startPorts(ctx, helper, attributes, settings, operations)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errors.ErrUnsupported) {
			return measure, err
		}
	}
	if peer.Draws == EphemeralPorts && work.Fill > 0 {
		return nil, fmt.Errorf("%s takes ports from where the kernel does, and that cannot be %d %% full here: a network of its own is not to be had: %w",
			peer.Name, work.Fill, errors.ErrUnsupported)
	}
	settings.OwnNetwork = false
	return startPorts(ctx, helper, nil, settings, operations)
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

func (m *portMeasure) Close() error { return m.helper.Close() }
