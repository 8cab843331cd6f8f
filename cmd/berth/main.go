// Berth reserves blocks of UDP and TCP ports and binds sockets from them. Run it without arguments
// for its commands; docs/commands.md documents them, their JSON and their exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/berthkit/berth/cmd/berth/internal/command"
	"github.com/berthkit/berth/cmd/berth/internal/supervise"
)

func main() {
	if supervise.IsHelper(os.Args) {
		os.Exit(supervise.RunHelper(os.Args))
	}
	ctx, stop := signal.NotifyContext(context.Background(), interrupts()...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program the hard way
	run := command.Run
	if command.IsNetsh(os.Args[0]) {
		run = command.RunNetsh
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// interrupts returns the signals that end a command. One that is ignored already stays so: whoever
// started berth with it ignored, such as nohup or a shell for its background jobs, wants that.
func interrupts() []os.Signal {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	return slices.DeleteFunc(ending, signal.Ignored)
}
