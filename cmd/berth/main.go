// Berth reserves blocks of UDP and TCP ports and binds sockets from them. Run it without arguments
// for its commands; docs/commands.md documents them, their JSON and their exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/berthkit/berth/cmd/berth/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program the hard way
	run := command.Run
	if command.IsNetsh(os.Args[0]) {
		run = command.RunNetsh
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
