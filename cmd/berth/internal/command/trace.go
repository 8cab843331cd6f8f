package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/cmd/berth/internal/follow"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/sockets/inuse"
)

// A traceRequest is what the arguments of trace say.
type traceRequest struct {
	file    string        // "-" means stdout
	command []string      // empty means: until Ctrl-C
	program string        // the command's file
	during  time.Duration // 0 means without end
	every   time.Duration
	sockets bool
}

func newTrace(inv *invocation) *cobra.Command {
	request := traceRequest{sockets: true}
	var withoutSockets bool
	cmd := &cobra.Command{
		Use:   "trace FILE [-- COMMAND [ARGUMENT...]]",
		Short: "Record which ports come and go on this computer, for berthbench",
		Long: `Trace writes to FILE which blocks any program reserves and releases, and which ports it binds,
until Ctrl-C, or for as long as COMMAND runs. "berthbench run --trace FILE" then tells which data
structure suits that load best.

It looks ten times a second: what comes and goes between two looks is not seen, and neither are
questions that changed nothing. A program that uses Berth can record each of its own calls instead:
see package reservation/record. FILE "-" is standard output.`,
		Example: `  berth trace ports.trace                    # until Ctrl-C
  berth trace ports.trace --for 10m
  berth trace ports.trace -- make test       # while the tests run`,
		GroupID:               groupLook,
		DisableFlagsInUseLine: true,

		RunE: func(cmd *cobra.Command, args []string) error {
			if err := request.parse(cmd, args); err != nil {
				return err
			}
			request.sockets = !withoutSockets
			return inv.trace(cmd.Context(), request)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&request.during, "for", 0, "end after this `time`, such as 90s or 10m")
	flags.DurationVar(&request.every, "every", 100*time.Millisecond, "look again after this `time`, 100ms unless it is given")
	flags.BoolVar(&withoutSockets, "no-sockets", false, "leave out sockets, record reservations alone")
	return cmd
}

// parse reads the arguments and checks the flags.
func (r *traceRequest) parse(cmd *cobra.Command, args []string) error {
	split := cmd.ArgsLenAtDash()
	if split < 0 {
		split = len(args)
	}
	switch {
	case split != 1:
		return misused(cmd, "trace needs the name of one new file, and a command only behind --")
	case cmd.ArgsLenAtDash() >= 0 && len(args) == split:
		return misused(cmd, "there is no command behind --")
	case cmd.Flags().Changed("for") && len(args) > split:
		return misused(cmd, "--for and a command exclude each other: trace ends with the command")
	case cmd.Flags().Changed("for") && r.during <= 0:
		return misused(cmd, "--for wants a time above 0")
	case r.every < time.Millisecond:
		return misused(cmd, "--every wants 1ms at least")
	}
	r.file, r.command = args[0], args[1:]
	if r.file == "-" && len(r.command) > 0 {
		return misused(cmd, "the command needs standard output for itself; name a file for the trace")
	}
	return nil
}

// trace records until ctx or the time or the command ends.
func (inv *invocation) trace(ctx context.Context, request traceRequest) error {
	if len(request.command) > 0 {
		path, err := findProgram(request.command[0])
		if err != nil {
			return &execFailure{err}
		}
		request.program = path
	}
	out, err := inv.createTrace(request.file)
	if err != nil {
		return err
	}
	started := time.Now()
	counts, ended, err := inv.follow(ctx, request, out)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := inv.describeTrace(request, counts, time.Since(started)); err != nil {
		return err
	}
	return ended
}

// createTrace opens the file of a trace, which must not be there yet.
func (inv *invocation) createTrace(path string) (io.WriteCloser, error) {
	if path == "-" {
		return openScreen{inv.stdout}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, &failure{fmt.Errorf("%s is there already", path), "Choose another name."}
	}
	if err != nil {
		return nil, fileFailure(err, "Choose a new file in a directory that you may write.")
	}
	return file, nil
}

// An openScreen is a screen that stays open.
type openScreen struct{ *screen }

func (openScreen) Close() error { return nil }

// follow records while the command runs, if there is one. The first error is how the command ended.
func (inv *invocation) follow(ctx context.Context, request traceRequest, out io.Writer) (counts follow.Counts, ended, err error) {
	blocks := &blockReader{inv: inv}
	defer func() { err = errors.Join(err, blocks.close()) }()
	f := &follow.Follower{List: blocks.list, Watch: blocks.watcher(ctx), Every: request.every, Out: trace.NewWriter(out)}
	if request.sockets {
		f.Ports = inuse.New()
	}
	about := fmt.Sprintf("recorded by berth trace on %s/%s, %s", runtime.GOOS, runtime.GOARCH, time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(f.Out.Comment(about), f.Begin(ctx)); err != nil {
		return counts, nil, err
	}
	if request.during > 0 {
		timed, stop := context.WithTimeout(ctx, request.during)
		defer stop()
		ctx = timed
	}
	if request.program == "" {
		if request.file != "-" {
			inv.say("Recording to %s until Ctrl-C.", request.file)
		}
		counts, err = f.Run(ctx)
		return counts, nil, err
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx)) // the command may take its time to end
	done := make(chan struct{})
	go func() {
		defer close(done)
		counts, err = f.Run(following)
	}()
	ended = inv.runTraced(ctx, request)
	stop()
	<-done
	return counts, ended, err
}

// runTraced runs the command and returns how it ended: nil, or its status as shells count it.
func (inv *invocation) runTraced(ctx context.Context, request traceRequest) error {
	command := exec.CommandContext(ctx, request.program, request.command[1:]...)
	command.Args[0] = request.command[0]
	command.Stdin, command.Stdout, command.Stderr = inv.stdin, inv.stdout.w, inv.stderr.w
	command.Cancel = func() error {
		if inv.stdout.isTerminal || inv.stderr.isTerminal {
			return nil // the terminal has told the command itself
		}
		return command.Process.Signal(os.Interrupt)
	}
	err := command.Run()
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		return err
	}
	status, _ := failed.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return programStatus(128 + int(status.Signal()))
	}
	return programStatus(failed.ExitCode())
}

// describeTrace says what is in the trace.
func (inv *invocation) describeTrace(request traceRequest, counts follow.Counts, took time.Duration) error {
	if request.file == "-" {
		return nil
	}
	return inv.answer(traceJSON{
		File: request.file, Seconds: took.Seconds(), Looks: counts.Looks, Operations: counts.Operations(),
		Present: counts.Present, Inserted: counts.Inserted, Deleted: counts.Deleted,
	}, "", fmt.Sprintf("Recorded %d operations in %s: %d blocks and ports at the beginning, %d came, %d went.\nPlay them: berthbench run --trace %s",
		counts.Operations(), took.Round(time.Millisecond), counts.Present, counts.Inserted, counts.Deleted, request.file))
}

// traceJSON is what trace prints of what it did.
type traceJSON struct {
	File       string  `json:"file"`
	Seconds    float64 `json:"seconds"`
	Looks      int     `json:"looks"`
	Operations int     `json:"operations"`
	Present    int     `json:"present"`
	Inserted   int     `json:"inserted"`
	Deleted    int     `json:"deleted"`
}
