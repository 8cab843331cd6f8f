//go:build heavy

// Heavy is berthbench with the peers that are too large, or licensed too narrowly, for everybody's
// build: Kubernetes, Nomad and moby. It is a module of its own, and needs the build tag heavy:
//
//	go run -C cmd/berthbench/heavy -tags heavy . run --quick
//
// Nomad is under the Business Source License 1.1. It is measured here and used for nothing else.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/berthkit/berth/cmd/berthbench/internal/command"
	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program the hard way
	program := command.Program{
		Cores: slices.Concat(cores.All(), heavyCores(), mobyAllocator()),
		Peers: mobyPeers(),
	}
	os.Exit(program.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
