package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A supervisor performs the stopped calls of a program and its descendants.
type supervisor struct {
	listener int
	isSteady bool // a call that was received is interrupted by fatal signals alone
	blocks   []Block
	draws    map[reservation.Protocol]*draw // where binds to port 0 draw from; nil if they do not
	notify   func(format string, arguments ...any)

	wake    [2]int         // a pipe: closing its second end makes serve return
	serving sync.WaitGroup // those who receive and perform calls

	mu          sync.Mutex
	interrupted map[uint64]netip.AddrPort // by socket cookie: bound for a call that a signal then interrupted
	noted       map[uint32]bool           // threads that the user was told of
}

// errContinue lets the kernel perform a call as if nobody had looked.
var errContinue = errors.New("not ours")

// newSupervisor starts to serve the calls that listener stops. It owns the listener until stop.
func newSupervisor(program *Program, listener int, isSteady bool) (*supervisor, error) {
	s := &supervisor{
		listener:    listener,
		isSteady:    isSteady,
		blocks:      program.Blocks,
		notify:      program.notify,
		interrupted: make(map[uint64]netip.AddrPort),
		noted:       make(map[uint32]bool),
	}
	if program.DrawPortZero {
		s.draws = make(map[reservation.Protocol]*draw)
		for _, block := range s.blocks {
			s.draws[block.Protocol()] = newDraw(block)
		}
	}
	if err := unix.Pipe2(s.wake[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	wakeTogether(listener)
	s.serving.Go(s.serve)
	return s, nil
}

// stop ends serve and waits for the calls that are being performed. Those that come later stay
// stopped until somebody else answers them or the listener is closed.
func (s *supervisor) stop() {
	_ = unix.Close(s.wake[1])
	s.serving.Wait()
	_ = unix.Close(s.wake[0])
}

// serve receives stopped calls until stop, or until no process is left that could make one. Whoever
// receives a call performs it at once, on the thread that the kernel has woken for it, and leaves
// receiving to a successor: no call waits for another one, or for a change of threads.
func (s *supervisor) serve() {
	for waitForCall(s.listener, s.wake[0]) {
		received, err := receive(s.listener)
		if err != nil {
			continue // the caller is gone
		}
		s.serving.Go(s.serve)
		s.handle(received)
		return
	}
}

// waitForCall waits until a call is stopped. It returns false when wake is closed at its other end,
// or when no process is left that the filter applies to.
func waitForCall(listener, wake int) bool {
	files := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(files, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || files[1].Revents != 0:
			return false
		case files[0].Revents&unix.POLLIN != 0:
			return true
		case files[0].Revents != 0:
			return false
		}
	}
}

// handle performs a call and answers it.
func (s *supervisor) handle(c call) {
	err := s.perform(c)
	reply := answer{id: c.id}
	switch {
	case errors.Is(err, errContinue):
		reply.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case err != nil:
		reply.errno = -int32(errnoOf(err))
	}
	_ = send(s.listener, reply) // it fails if the caller is gone, and then nothing is left to do
}

// errnoOf returns what the program sees of an error of a [Block].
func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, reservation.ErrInvalid):
		return unix.EINVAL
	case errors.Is(err, reservation.ErrDenied):
		return unix.EACCES
	}
	return unix.EADDRINUSE
}

// perform does what a call asks for if it concerns a port of a block, and returns errContinue if not.
//
// A call that goes on is read again by the kernel, so another thread of the program may put another
// address there meanwhile. That gains it nothing: the kernel refuses the ports of the blocks to
// everybody, and the program may bind all others anyway.
func (s *supervisor) perform(c call) error {
	if c.thread == 0 {
		return errContinue // of another pid namespace: its memory cannot be named from here
	}
	isBind, arguments, err := argumentsOf(c)
	if err != nil {
		return s.giveUp(c, err)
	}
	if isBind {
		return s.bind(c, int(int32(arguments[0])), arguments[1], uint32(arguments[2]))
	}
	return s.listen(c, int(int32(arguments[0])), int(int32(arguments[1])))
}

// argumentsOf returns whether a call is bind, else it is listen, and its arguments, which socketcall
// keeps in the program's memory.
func argumentsOf(c call) (isBind bool, arguments [3]uint64, err error) {
	for _, convention := range conventions[runtime.GOARCH] {
		if convention.arch != c.arch {
			continue
		}
		if convention.socketCall == 0 || uint32(c.number) != convention.socketCall {
			return convention.isBind(uint32(c.number)), [3]uint64(c.arguments[:]), nil
		}
		words := make([]byte, 3*4)
		isBind = c.arguments[0] == socketCallBind
		if !isBind {
			words = words[:2*4] // listen has two
		}
		err = readMemory(int(c.thread), c.arguments[1], words)
		for i := range len(words) / 4 {
			arguments[i] = uint64(binary.NativeEndian.Uint32(words[4*i:]))
		}
		return isBind, arguments, err
	}
	return false, arguments, errContinue
}

// bind performs a bind to a port of a block.
func (s *supervisor) bind(c call, descriptor int, pointer uint64, length uint32) error {
	if length < lengthINET || length > lengthLongest {
		return errContinue
	}
	raw := make([]byte, min(length, lengthINET6))
	if err := readMemory(int(c.thread), pointer, raw); err != nil {
		return s.giveUp(c, err)
	}
	family, address, ok := parseAddress(raw)
	if !ok || !s.concerns(address.Port()) {
		return errContinue
	}
	socket, err := s.socketOf(c, descriptor)
	if err != nil {
		return err
	}
	defer socket.close()
	if socket.family != family {
		return errContinue
	}
	if address.Port() == 0 {
		draw := s.draws[socket.protocol]
		if draw == nil {
			return errContinue
		}
		return draw.bind(socket.descriptor, address.Addr())
	}
	block := s.blockOf(socket.protocol, address.Port())
	if block == nil {
		return errContinue
	}
	if s.isSteady {
		return block.Bind(socket.descriptor, address)
	}
	return s.bindOnce(c, block, socket, address)
}

// listen performs a listen on a port of a block.
func (s *supervisor) listen(c call, descriptor, backlog int) error {
	socket, err := s.socketOf(c, descriptor)
	if err != nil {
		return err
	}
	defer socket.close()
	block := s.blockOf(socket.protocol, socket.port())
	if block == nil || socket.protocol != pool.TCP {
		return errContinue
	}
	return block.Listen(socket.descriptor, backlog)
}

// concerns reports whether a bind to port, of whatever protocol, may be for us.
func (s *supervisor) concerns(port uint16) bool {
	if port == 0 {
		return s.draws != nil
	}
	for _, block := range s.blocks {
		if block.Range().Contains(port) {
			return true
		}
	}
	return false
}

// blockOf returns the block that has a port, or nil.
func (s *supervisor) blockOf(protocol reservation.Protocol, port uint16) Block {
	for _, block := range s.blocks {
		if block.Protocol() == protocol && block.Range().Contains(port) {
			return block
		}
	}
	return nil
}

// bindOnce binds for a kernel where any signal interrupts a call that is being performed. The program
// then calls again, with a socket that is bound already.
func (s *supervisor) bindOnce(c call, block Block, socket *socket, address netip.AddrPort) error {
	cookie := socket.cookie()
	s.mu.Lock()
	bound, isAgain := s.interrupted[cookie]
	delete(s.interrupted, cookie)
	s.mu.Unlock()
	if isAgain && bound == address {
		return nil
	}
	err := block.Bind(socket.descriptor, address)
	if err == nil && !isWaiting(s.listener, c.id) {
		s.mu.Lock()
		s.interrupted[cookie] = address
		s.mu.Unlock()
	}
	return err
}

// giveUp lets a call go on whose caller cannot be looked into, and tells the user once a thread. The
// kernel then performs it if it is for another port, and refuses it if it is for one of a block.
func (s *supervisor) giveUp(c call, err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return errContinue
	}
	s.mu.Lock()
	known := s.noted[c.thread]
	s.noted[c.thread] = true
	s.mu.Unlock()
	if !known {
		s.notify("%s cannot bind from its block: the system does not let this user look into that process", nameOf(c.thread))
	}
	return errContinue
}

// nameOf names a process for people.
func nameOf(thread uint32) string {
	program, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(thread)), "comm"))
	if err != nil {
		return fmt.Sprintf("process %d", thread)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(program)), thread)
}
