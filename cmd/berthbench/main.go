// Berthbench measures overlap-check cores and whole jobs of port allocators. Run it without arguments
// for its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/berthkit/berth/cmd/berthbench/internal/command"
	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program the hard way
	program := command.Program{Cores: cores.All()}
	os.Exit(program.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
