package winsock

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// A Process is one program's view of Winsock: its handles, its last error, its network. It is safe
// for concurrent use. Make one with [New]; the zero Process, and a nil one, fail every call with
// WSANOTINITIALISED.
type Process struct {
	absence error // why there is no api, if somebody knows
	api     reservation.API
	network reservation.Network
	ctx     context.Context // done when the process has ended
	end     context.CancelFunc

	mu         sync.Mutex // guards what follows; neither engine nor network is called while it is held
	startups   int
	ended      bool
	handles    map[Handle]*object
	lastHandle Handle
	lastCode   Errno
	lastCause  error
	pending    map[*Overlapped]*operation
	routines   map[uintptr]*completionRoutine
	completed  []func()      // calls of completion routines that wait for SleepEx
	alert      chan struct{} // closed when completed gets its first element; nil if nobody waits
}

// New returns a process that asks api for ports and whose sockets are those of network: that of a
// simulated machine, or [RealNetwork]. Like every Go program on Windows it does not need WSAStartup:
// package os has called it there before main begins. Call Exit at its end; api stays the caller's.
func New(api reservation.API, network reservation.Network) *Process {
	ctx, end := context.WithCancel(context.Background())
	return &Process{
		api: api, network: network, ctx: ctx, end: end, startups: 1,
		handles:  map[Handle]*object{},
		pending:  map[*Overlapped]*operation{},
		routines: map[uintptr]*completionRoutine{},
	}
}

// Exit ends the process as Windows ends one: all its handles are closed, calls that wait return.
// Later calls fail with WSANOTINITIALISED, except Exit, which returns nil again.
func (p *Process) Exit() error {
	if p == nil || p.api == nil {
		return nil
	}
	p.mu.Lock()
	p.startups, p.ended = 0, true
	p.mu.Unlock()
	p.closeAll(isAny)
	p.end()
	return nil
}

// WSAStartup tells the version that both sides can do, at most 2.2, and counts: each call asks for
// a [Process.WSACleanup]. It returns WSAEFAULT for nil data and WSAVERNOTSUPPORTED for version 0.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-wsastartup
func (p *Process) WSAStartup(verreq uint32, data *WSAData) (sockerr error) {
	const highest = 0x0202 // the minor version is the high byte
	version := uint16(verreq)
	if major, minor := byte(version), byte(version>>8); major > 2 || major == 2 && minor > 2 {
		version = highest
	}
	switch {
	case p == nil || p.api == nil:
		return p.fail(p.absent())
	case data == nil:
		return p.fail(WSAEFAULT)
	}
	*data = WSAData{Version: version, HighVersion: highest}
	copy(data.Description[:], "WinSock 2.0")
	copy(data.SystemStatus[:], "Running")
	if byte(version) == 0 {
		return p.fail(WSAVERNOTSUPPORTED)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return p.failLocked(WSANOTINITIALISED)
	}
	p.startups++
	return nil
}

// WSACleanup undoes one WSAStartup; the last closes all sockets. As the Go runtime counts as the
// first user of Winsock, a program that pairs its own calls never gets there.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-wsacleanup
func (p *Process) WSACleanup() (err error) {
	if err := p.started(); err != nil {
		return err
	}
	p.mu.Lock()
	p.startups--
	last := p.startups == 0
	p.mu.Unlock()
	if last {
		p.closeAll(isSocket)
	}
	return nil
}

// WSAGetLastError returns the code of the last call of the process that failed, ERROR_SUCCESS if
// none did. Calls that succeed leave it alone. Windows keeps one for each thread; goroutines wander
// between threads, so this one is the process's: it is of use where a single goroutine calls. The
// error that a call returns is the same code and always that call's.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-wsagetlasterror
func (p *Process) WSAGetLastError() Errno {
	if p == nil {
		return WSANOTINITIALISED
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastCode
}

// WSASetLastError sets what [Process.WSAGetLastError] returns.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-wsasetlasterror
func (p *Process) WSASetLastError(code Errno) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastCode, p.lastCause = code, code
}

// LastCause returns the engine's or the network's own error behind WSAGetLastError, nil if no call
// failed. Windows has nothing like it: it says who holds the port that WSAEACCES is about.
func (p *Process) LastCause() error {
	if p == nil {
		return errNoProcess
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastCause
}

var errNoProcess = fmt.Errorf("%w (the process was not made by winsock.New)", WSANOTINITIALISED)

// absent says why a process has no engine behind it.
func (p *Process) absent() error {
	if p == nil || p.absence == nil {
		return errNoProcess
	}
	return fmt.Errorf("%w (this computer's reservations cannot be opened: %w)", WSANOTINITIALISED, p.absence)
}

// started returns an error unless sockets may be used.
func (p *Process) started() error {
	if p == nil || p.api == nil {
		return p.fail(p.absent())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.startups == 0 {
		return p.failLocked(WSANOTINITIALISED)
	}
	return nil
}

// fail remembers why a call failed and returns its code; nil stays nil. Every public call returns
// through it.
func (p *Process) fail(err error) error {
	if err == nil {
		return nil
	}
	if p == nil {
		return codeOf(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failLocked(err)
}

func (p *Process) failLocked(err error) error {
	p.lastCode, p.lastCause = codeOf(err), err
	return p.lastCode
}

// codeOf returns the code of an error: its own, or that of its condition.
func codeOf(err error) Errno {
	if own, ok := errors.AsType[Errno](err); ok {
		return own
	}
	return win32.WinsockErrno(err)
}
