package scenario

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A Prompt is a conversation with a simulated computer: a line, and what it came to.
type Prompt struct {
	In    io.Reader // a terminal is edited on, with history and completion; of anything else lines are read
	Out   io.Writer
	Paint func(part Part, text string) string // nil leaves text as it is
}

// promptText stands before each line that is typed.
const promptText = "sim> "

const welcome = `A simulated Windows computer. help lists the commands, Tab completes, Ctrl-D leaves.
`

// Run plays the lines that come from In, each on the computer as those before have left it, until
// they end, "quit", or ctx is done, whose error it then returns. Errors of a line are shown and leave
// everything as it was.
func (p *Prompt) Run(ctx context.Context) error {
	session := &session{
		player: NewPlayer(readFile),
		sheet:  Transcript{Writer: p.Out, Paint: p.Paint},
	}
	defer session.player.Close()
	next, end, err := p.lines(session)
	if err != nil {
		return err
	}
	defer end()
	for {
		line, err := receiveLine(ctx, next)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if done := session.play(line); done {
			return nil
		}
	}
}

// receiveLine returns the next line or the end of ctx. Nothing interrupts a read from a terminal: its
// goroutine ends with the input or the program.
func receiveLine(ctx context.Context, next func() (string, error)) (string, error) {
	type read struct {
		line string
		err  error
	}
	reads := make(chan read, 1)
	go func() {
		line, err := next()
		reads <- read{line, err}
	}()
	select {
	case r := <-reads:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// lines returns what reads the next line, and what gives the terminal back.
func (p *Prompt) lines(session *session) (next func() (string, error), end func(), err error) {
	in, out := fileOf(p.In), fileOf(p.Out)
	if in == nil || out == nil || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		scanner := bufio.NewScanner(p.In)
		scanner.Buffer(nil, maxLine+1)
		session.echo = true
		return func() (string, error) {
			if !scanner.Scan() {
				return "", cmp.Or(scanner.Err(), io.EOF)
			}
			return scanner.Text(), nil
		}, func() {}, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("edit on this terminal: %w", err)
	}
	size := func() (int, int, error) { return term.GetSize(int(out.Fd())) }
	next = session.edit(struct {
		io.Reader
		io.Writer
	}{p.In, p.Out}, size)
	end = func() {
		fmt.Fprint(p.Out, "\r\n")
		_ = term.Restore(int(in.Fd()), before) // nothing can be done about a terminal that is gone
	}
	return next, end, nil
}

// edit lets lines be edited on a terminal that passes every key on, and returns what reads the next.
func (s *session) edit(keys io.ReadWriter, size func() (width, height int, err error)) func() (string, error) {
	terminal := term.NewTerminal(keys, promptText)
	terminal.AutoCompleteCallback = s.completer(terminal)
	s.sheet.Writer = terminal
	fmt.Fprint(terminal, welcome)
	return func() (string, error) {
		if width, height, err := size(); err == nil && width > 0 {
			_ = terminal.SetSize(width, height) // one of a wrong size is still a terminal
		}
		line, err := terminal.ReadLine()
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		return line, err
	}
}

// fileOf returns the file behind a reader or writer, nil if there is none.
func fileOf(stream any) *os.File {
	file, _ := stream.(*os.File)
	return file
}

// A session is the lines of one conversation.
type session struct {
	player *Player
	sheet  Transcript
	echo   bool         // nobody has seen the lines
	played bytes.Buffer // the transcript so far
}

// play plays a line and shows what it came to. It returns true if the conversation is over.
func (s *session) play(line string) (done bool) {
	step, err := ParseStep(line)
	if err != nil {
		s.complain(err)
		return false
	}
	if !step.isAction() {
		s.record(&step, nil)
		return false
	}
	arguments := step.Words[1:]
	switch step.command() {
	case "quit":
		return true
	case "help":
		s.help(arguments)
		return false
	case "save":
		s.save(arguments)
		return false
	}
	result, err := s.player.Do(&step)
	if err != nil {
		s.complain(err)
		return false
	}
	s.record(&step, result)
	if !s.echo {
		s.sheet.Answer(result)
	}
	if step.Checked && !step.agrees(result) {
		s.complain(&Mismatch{Scenario: "prompt", Step: &step, Got: result})
	}
	return false
}

func (s *session) record(step *Step, result *Result) {
	(&Transcript{Writer: &s.played}).Step(step, result)
	if s.echo {
		s.sheet.Step(step, result)
	}
}

func (s *session) complain(err error) {
	fmt.Fprintf(s.sheet.Writer, "%s\n", s.sheet.paint(Refusal, err.Error()))
}

// help shows the usage of one command or a line about each.
func (s *session) help(arguments []Word) {
	if len(arguments) > 0 {
		c := commandNamed(arguments[0].Text)
		if c == nil {
			s.complain(unknownCommand(arguments[0].Text))
			return
		}
		fmt.Fprintf(s.sheet.Writer, "%s\n  %s\n", c.usage(), c.about)
		return
	}
	for _, c := range commands() {
		fmt.Fprintf(s.sheet.Writer, "%-36s %s\n", c.name, s.sheet.paint(Comment, c.about))
	}
	fmt.Fprintf(s.sheet.Writer, "%-36s %s\n", "help COMMAND", s.sheet.paint(Comment, "tell more of a command"))
	fmt.Fprintf(s.sheet.Writer, "%-36s %s\n", "save FILE", s.sheet.paint(Comment, "write what happened so far as a scenario"))
	fmt.Fprintf(s.sheet.Writer, "%-36s %s\n", "quit", s.sheet.paint(Comment, "leave"))
}

// save writes the transcript to a new file.
func (s *session) save(arguments []Word) {
	if len(arguments) != 1 {
		s.complain(errors.New("usage: save FILE"))
		return
	}
	file, err := os.OpenFile(arguments[0].Text, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		s.complain(err)
		return
	}
	_, err = file.Write(s.played.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		s.complain(err)
	}
}

// completer returns what the terminal calls for each key.
func (s *session) completer(terminal *term.Terminal) func(string, int, rune) (string, int, bool) {
	return func(line string, cursor int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		completed, position, choices := s.player.complete(line, cursor, []string{"help", "quit", "save"})
		if len(choices) > 0 {
			fmt.Fprintf(terminal, "%s\n", s.sheet.paint(Comment, strings.Join(choices, "  ")))
		}
		return completed, position, true
	}
}
