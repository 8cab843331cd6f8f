//go:build heavy && !linux

package main

import (
	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/jobs"
)

// Moby's allocator is compared on Linux, where Docker runs natively; on macOS it does not build.

func mobyAllocator() []cores.Entry { return nil }
func mobyPeers() []jobs.Peer       { return nil }
