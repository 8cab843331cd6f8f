package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is a process that answers requests: one line of JSON for each on its standard input, one
// for each answer on its standard output. It ends when its standard input does, so it cannot outlive
// its parent, however that ends.
type child struct {
	command  *exec.Cmd
	requests io.WriteCloser
	encoder  *json.Encoder
	decoder  *json.Decoder
	last     tail // of its standard error
}

// A fault is part of every answer: what went wrong, empty if nothing did.
type fault struct {
	Fault string `json:"fault,omitempty"`
}

func (f fault) err() error {
	if f.Fault == "" {
		return nil
	}
	return errors.New(f.Fault)
}

// endingTime is how long a child has to end by itself before it is killed.
const endingTime = 2 * time.Second

// startChild starts the program of a command line. Attributes may be nil.
func startChild(line []string, attributes *syscall.SysProcAttr) (*child, error) {
	c := &child{command: exec.Command(line[0], line[1:]...)}
	c.command.SysProcAttr = attributes
	c.command.Stderr = &c.last
	c.command.WaitDelay = endingTime
	requests, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	c.requests, c.encoder, c.decoder = requests, json.NewEncoder(requests), json.NewDecoder(answers)
	return c, nil
}

// ask sends a request and reads the answer. When ctx is done it kills the child and returns ctx's error.
func (c *child) ask(ctx context.Context, request, answer any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.command.Process.Kill() })
	defer stop()
	err := c.encoder.Encode(request)
	if err == nil {
		err = c.decoder.Decode(answer)
	}
	if err == nil {
		return nil
	}
	_ = c.Close() // so that its last words are complete
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s is no helper, it answered something else: %w", c.command.Path, err)
	}
	return fmt.Errorf("the helper process ended: %w: %s", err, c.last.String())
}

// Close ends the child and waits until it is gone. A second Close does nothing.
func (c *child) Close() error {
	if c.command.ProcessState != nil {
		return nil
	}
	_ = c.requests.Close()
	timer := time.AfterFunc(endingTime, func() { _ = c.command.Process.Kill() })
	defer timer.Stop()
	_ = c.command.Wait() // how it ended tells nothing that its answers did not
	return nil
}

// serve answers the requests on stdin until it ends or ctx is done.
func serve[Request, Answer any](ctx context.Context, stdin io.Reader, stdout io.Writer, answer func(context.Context, Request) Answer) error {
	decoder, encoder := json.NewDecoder(stdin), json.NewEncoder(stdout)
	for {
		var request Request
		err := decoder.Decode(&request)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read a request: %w", err)
		}
		if err := encoder.Encode(answer(ctx, request)); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
}

// A tail keeps the last few kilobytes that are written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const limit = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if excess := len(t.data) - limit; excess > 0 {
		t.data = bytes.Clone(t.data[excess:])
	}
	return len(p), nil
}

// String returns what is kept, as one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(string(t.data)), " ")
}
