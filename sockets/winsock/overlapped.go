package winsock

import (
	"context"
	"fmt"
	"time"
	"unsafe"
)

// statusPending is STATUS_PENDING: what Overlapped.Internal holds while the call goes on.
const statusPending = 0x103

// A completionRoutine is what the caller wants called when an overlapped call has ended. Its address
// is its number: calls that take a *byte for it, as package windows' do, then get a pointer that the
// garbage collector may meet.
type completionRoutine struct {
	call func(code, transferred uint32, overlapped *Overlapped, flags uint32) uintptr
}

// unusableRoutine has a number that no process knows. It has a size, so that nothing else is there.
var unusableRoutine completionRoutine

// An operation is an overlapped call that has not ended yet.
type operation struct {
	done   chan struct{} // closed when the overlapped holds the result
	cancel context.CancelFunc
}

// NewCallback returns a number that stands for fn where a call wants a completion routine. Goroutines
// have no thread to be interrupted, so a routine runs on whichever goroutine calls [SleepEx]. A fn
// that is not a func(code, transferred uint32, overlapped *Overlapped, flags uint32) uintptr gets a
// number that calls refuse with WSAEFAULT.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nc-winsock2-lpwsaoverlapped_completion_routine
func (p *Process) NewCallback(fn any) uintptr {
	call, fits := fn.(func(code, transferred uint32, overlapped *Overlapped, flags uint32) uintptr)
	if !fits || call == nil || p == nil || p.api == nil {
		return uintptr(unsafe.Pointer(&unusableRoutine))
	}
	routine := &completionRoutine{call}
	number := uintptr(unsafe.Pointer(routine)) // stays its address: the map keeps it, and Go does not move it
	p.mu.Lock()
	defer p.mu.Unlock()
	p.routines[number] = routine
	return number
}

// completion checks the completion parameters of a call and returns what tells its end: it fills in
// the overlapped and then queues the routine, if there is one, or else sets the event, if there is
// one. Without an overlapped it does nothing.
func (p *Process) completion(overlapped *Overlapped, number uintptr) (finish func(code Errno, transferred uint32), err error) {
	if overlapped == nil {
		return func(Errno, uint32) {}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	routine, known := p.routines[number]
	if number != 0 && !known {
		return nil, fmt.Errorf("%w: no completion routine has the number %#x: make one with NewCallback", WSAEFAULT, number)
	}
	if _, busy := p.pending[overlapped]; busy {
		return nil, fmt.Errorf("%w: the overlapped belongs to a call that has not ended", WSAEINVAL)
	}
	var signal *event
	if o, found := p.handles[overlapped.HEvent]; found && routine == nil {
		signal, _ = o.resource.(*event)
	}
	if signal != nil {
		signal.reset()
	}
	return func(code Errno, transferred uint32) {
		p.mu.Lock()
		defer p.mu.Unlock()
		overlapped.Internal, overlapped.InternalHigh = uintptr(code), uintptr(transferred)
		if running, pending := p.pending[overlapped]; pending {
			delete(p.pending, overlapped)
			close(running.done)
		}
		if signal != nil {
			signal.set()
		}
		if routine != nil {
			p.queueLocked(func() { routine.call(uint32(code), transferred, overlapped, 0) })
		}
	}, nil
}

// begin marks an overlapped call as going on; finish ends it.
func (p *Process) begin(overlapped *Overlapped, cancel context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	overlapped.Internal, overlapped.InternalHigh = statusPending, 0
	p.pending[overlapped] = &operation{done: make(chan struct{}), cancel: cancel}
}

func (p *Process) queueLocked(call func()) {
	p.completed = append(p.completed, call)
	if p.alert != nil {
		close(p.alert)
		p.alert = nil
	}
}

// SleepEx waits for the time, INFINITE for ever. If alertable it first runs the completion routines
// that wait, or the first that comes while it waits, and returns WAIT_IO_COMPLETION; else it returns
// 0 when the time is over or the process ends.
//
// https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-sleepex
func (p *Process) SleepEx(milliseconds uint32, alertable bool) (ret uint32) {
	if p == nil || p.api == nil {
		return 0
	}
	expired, stop := timer(milliseconds)
	defer stop()
	for {
		p.mu.Lock()
		calls := p.completed
		if alertable && len(calls) > 0 {
			p.completed = nil
			p.mu.Unlock()
			for _, call := range calls {
				call()
			}
			return WAIT_IO_COMPLETION
		}
		var alert chan struct{} // nil: never
		if alertable {
			if p.alert == nil {
				p.alert = make(chan struct{})
			}
			alert = p.alert
		}
		p.mu.Unlock()
		select {
		case <-alert:
		case <-expired:
			return 0
		case <-p.ctx.Done():
			return 0
		}
	}
}

// timer returns a channel that tells when the time is over: never for INFINITE.
func timer(milliseconds uint32) (expired <-chan time.Time, stop func()) {
	if milliseconds == INFINITE {
		return nil, func() {}
	}
	t := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	return t.C, func() { t.Stop() }
}

// WSAGetOverlappedResult tells how an overlapped call ended and waits for that if wait is set. It
// returns the code that the call ended with, WSAEFAULT for nil pointers other than flags, and
// WSA_IO_INCOMPLETE if it goes on and wait is not set.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsagetoverlappedresult
func (p *Process) WSAGetOverlappedResult(h Handle, o *Overlapped, bytes *uint32, wait bool, flags *uint32) (err error) {
	if _, err := p.socket(h); err != nil {
		return p.fail(err)
	}
	if o == nil || bytes == nil {
		return p.fail(WSAEFAULT)
	}
	for {
		p.mu.Lock()
		running, pending := p.pending[o]
		code, transferred := Errno(o.Internal), uint32(o.InternalHigh)
		p.mu.Unlock()
		switch {
		case pending && !wait:
			return p.fail(WSA_IO_INCOMPLETE)
		case pending:
			<-running.done
			continue
		}
		*bytes = transferred
		if flags != nil {
			*flags = 0
		}
		if code == ERROR_SUCCESS {
			return nil
		}
		return p.fail(code)
	}
}

// GetOverlappedResult is WSAGetOverlappedResult without flags.
//
// https://learn.microsoft.com/en-us/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresult
func (p *Process) GetOverlappedResult(handle Handle, overlapped *Overlapped, done *uint32, wait bool) (err error) {
	return p.WSAGetOverlappedResult(handle, overlapped, done, wait, nil)
}

// CancelIoEx ends an overlapped call of the socket, or all of the process for nil, with
// WSA_OPERATION_ABORTED. It returns ERROR_NOT_FOUND if there is none.
//
// https://learn.microsoft.com/en-us/windows/win32/fileio/cancelioex-func
func (p *Process) CancelIoEx(s Handle, o *Overlapped) (err error) {
	if _, err := p.socket(s); err != nil {
		return p.fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	for overlapped, running := range p.pending {
		if o == nil || o == overlapped {
			running.cancel()
			found = true
		}
	}
	if !found {
		return p.failLocked(ERROR_NOT_FOUND)
	}
	return nil
}
