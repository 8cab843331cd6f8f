// Package supervise runs an unmodified program on blocks of held ports: it starts the program, makes
// the ports its own by the best way that the system has, forwards signals, and tells how it ended.
//
// On Linux the program runs under a seccomp filter that hands its calls of bind and listen to this
// process, which performs those that concern a held port with a copy of the program's socket and lets
// all others go on untouched. Two helpers, re-executions of this same program file, take part: the
// launcher becomes the program, the watchdog ends it if this process is killed. docs/exec.md tells the
// whole story.
package supervise

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/berthkit/berth/reservation"
)

// A Block is a block of ports that this process holds. Package sockets/hold has the one on real
// sockets. It is safe for concurrent use.
type Block interface {
	Protocol() reservation.Protocol
	Range() reservation.Range

	// Bind hands the port of address over to an unbound socket of another process, of which socket
	// is a descriptor of ours.
	Bind(socket int, address netip.AddrPort) error

	// Listen performs listen for such a socket.
	Listen(socket int, backlog int) error

	// Close lets go of every port that no socket was bound from. A second Close does nothing.
	Close() error
}

// An Access is a way in which a program gets the ports of its blocks.
type Access uint8

const (
	// Supervised performs the program's binds to held ports for it; no other program can get one in
	// between. Only Linux can, on amd64 and arm64.
	Supervised Access = iota

	// Passed hands bound sockets to the program, by the protocol of systemd's socket activation.
	Passed

	// Released lets go of the ports just before the program starts. From then on whoever is first has them.
	Released
)

// A Program is a program to run, and what it is to run on.
type Program struct {
	Path        string   // of the executable file
	Arguments   []string // the first is the program's name
	Environment []string
	Files       [3]*os.File // its standard input, output and error

	Blocks  []Block      // the blocks whose ports are its own, at most one a protocol; Run closes them
	Access  Access       // how it gets the ports; Run falls back from Supervised to Released and says so
	Sockets []PassedFile // with Passed: the sockets; Run closes them

	// DrawPortZero makes a supervised bind to port 0 take a port of the block of its protocol.
	DrawPortZero bool

	// Notify is told, in one sentence, what the user should know: a fall back, a bind that could not
	// be supervised. It is called from several goroutines. nil means nobody.
	Notify func(sentence string)
}

// A PassedFile is a file that the program inherits, with the name that it has in LISTEN_FDNAMES.
type PassedFile struct {
	File *os.File
	Name string // without ':' and control characters
}

// A Status is how a program ended.
type Status struct {
	ExitCode int            // valid if Signal is 0
	Signal   syscall.Signal // the signal that killed it, or 0
}

// A StartError is a program that could not be started. Err is what the system said, fs.ErrNotExist
// and fs.ErrPermission among it.
type StartError struct {
	Path string
	Err  error
}

func (e *StartError) Error() string { return fmt.Sprintf("cannot run %s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *StartError) Unwrap() error { return e.Err }

// killed is how a shell counts the end by a signal: 128 and its number.
const killed = 128

// Code returns the status as a shell would: the exit code, or 128 and the number of the signal.
func (s Status) Code() int {
	if s.Signal != 0 {
		return killed + int(s.Signal)
	}
	return s.ExitCode
}

// Run starts the program, serves it, and returns how it ended. Signals that come to this process from
// elsewhere than its terminal are passed on meanwhile. Run closes the blocks and the sockets in any
// case, before it returns. It is for a process that has no other children: it reaps them all.
//
// Errors are [*StartError] if the program could not be executed.
func Run(program *Program) (Status, error) {
	defer program.close()
	return run(program)
}

func (p *Program) close() {
	for _, block := range p.Blocks {
		_ = block.Close() // nobody is left who could do anything about it
	}
	for _, socket := range p.Sockets {
		_ = socket.File.Close()
	}
}

func (p *Program) notify(format string, arguments ...any) {
	if p.Notify != nil {
		p.Notify(fmt.Sprintf(format, arguments...))
	}
}

// release lets go of the ports, for the program to take them by itself, and says why it has to.
func (p *Program) release(reason string) {
	for _, block := range p.Blocks {
		_ = block.Close()
	}
	if reason != "" {
		p.notify("the ports are free for anybody from now on until %s binds them: %s", p.Arguments[0], reason)
	}
}
