// Package jobs measures whole jobs, as a program would do them, by Berth and by what people use
// today: get one free UDP port bound, make one small record durable, keep a thousand records on disk.
// Success rate stands beside speed, for a fast answer that is wrong is no answer.
//
// The nouns: [All] lists the jobs; a [Job] is prepared into a [Measure], which is sampled in turns
// with the measures of the other subjects of the same work; a [Peer] is a way to get a free UDP port,
// so that programs with further peers of their own can add them.
//
// # Fair play
//
// Every subject of a work does the same operations on the same content, in turns. Jobs of group
// "udp-port" run in processes of their own, so that no peer's global state meets another's, and on
// Linux each in a network of its own, so that "90 % full" means the same to those that choose ports
// themselves and to those that let the kernel choose. What is timed is from the first call until the
// socket is closed and the port free again; checking is not timed.
package jobs

import (
	"context"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// A Job is one subject at one piece of work. Jobs of equal Group and Work are comparable.
type Job struct {
	Group      string      // "udp-port", "durable-create" or "memory"
	Work       result.Work // what is done
	Subject    string      // who does it: "berth", "bbolt Update"
	Unit       string      // of what Sample returns: "ns/op", or "B/record" for memory
	Properties []string    // what a fair reader must know

	// Prepare makes what the job works on, below directory if it needs files, and returns the job
	// ready to be sampled. An error that wraps errors.ErrUnsupported says that this computer cannot
	// do this job, or not comparably; another one that something is broken. Nothing is left behind
	// after an error. The context ends no more than Prepare.
	Prepare func(ctx context.Context, directory string) (Measure, error)
}

// A Measure is a job that is ready to run. It is used by one goroutine at a time.
type Measure interface {
	// Sample runs the job once, for some milliseconds, and returns the cost of one attempt, failed
	// ones included, in the unit of the job, the number of attempts and how many of them succeeded.
	// When ctx is done it returns ctx's error soon, and the measure can only be closed.
	Sample(ctx context.Context) (cost float64, attempts, successes int, err error)

	// Close ends the processes, closes the sockets and removes the files of the job.
	Close() error
}

// Options says which jobs there are and how long they take.
type Options struct {
	// Quick makes samples shorter: about a minute for ten samples of every job.
	Quick bool

	// Helper is the command line of a program that calls [RunHelper] with the word that follows as
	// its role. Jobs of group "udp-port" need it; without one they are left out.
	Helper []string

	// Peers are further peers of group "udp-port". Helper must hand the same ones to RunHelper.
	Peers []Peer

	// Podman is the command line of the program in cmd/berthbench/podman; empty leaves it out.
	Podman []string
}

// All returns the jobs, those of one work behind each other.
func All(options Options) []Job {
	var all []Job
	if len(options.Helper) > 0 {
		all = append(all, portJobs(options)...)
	}
	all = append(all, durableJobs(options)...)
	return append(all, diskJobs()...)
}
