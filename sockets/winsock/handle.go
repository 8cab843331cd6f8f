package winsock

import "sync"

// An object is what handles name: it lives until its last handle is closed. Handles of several
// processes may name one object.
type object struct {
	resource resource

	mu      sync.Mutex
	handles int // guarded by mu; 0 means closed
}

// A resource is a socket or an event.
type resource interface {
	close() error
}

// hold counts one more handle. It returns false if the last one is closed.
func (o *object) hold() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.handles == 0 {
		return false
	}
	o.handles++
	return true
}

// release counts one handle less and closes the resource with the last.
func (o *object) release() error {
	o.mu.Lock()
	o.handles--
	last := o.handles == 0
	o.mu.Unlock()
	if !last {
		return nil
	}
	return o.resource.close()
}

// adopt gives a new resource its first handle. If the process has ended it closes the resource.
func (p *Process) adopt(r resource) (Handle, error) {
	return p.insert(&object{resource: r, handles: 1})
}

// insert gives an object that has been held for it one more handle.
func (p *Process) insert(o *object) (Handle, error) {
	p.mu.Lock()
	if p.ended || p.startups == 0 && isSocket(o.resource) {
		p.mu.Unlock()
		_ = o.release()
		return InvalidHandle, WSANOTINITIALISED
	}
	p.lastHandle += 4 // as Windows counts: the lowest two bits are the program's to use
	h := p.lastHandle
	p.handles[h] = o
	p.mu.Unlock()
	return h, nil
}

// find returns what a handle names.
func (p *Process) find(h Handle) (*object, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, found := p.handles[h]
	return o, found
}

// remove takes a handle out of the table if wanted allows it.
func (p *Process) remove(h Handle, wanted func(resource) bool) (*object, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, found := p.handles[h]
	if !found || !wanted(o.resource) {
		return nil, false
	}
	delete(p.handles, h)
	return o, true
}

// closeAll closes all handles that are wanted.
func (p *Process) closeAll(wanted func(resource) bool) {
	var closing []*object
	p.mu.Lock()
	for h, o := range p.handles {
		if wanted(o.resource) {
			closing = append(closing, o)
			delete(p.handles, h)
		}
	}
	p.mu.Unlock()
	for _, o := range closing {
		_ = o.release()
	}
}

func isSocket(r resource) bool {
	_, is := r.(*event)
	return !is
}

func isAny(resource) bool { return true }

// Closesocket closes a handle of a socket. With the last handle the socket goes: its port is free,
// its runtime reservations end, calls that wait on it return WSAEINTR, overlapped ones end with
// WSA_OPERATION_ABORTED.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-closesocket
func (p *Process) Closesocket(s Handle) (err error) {
	if err := p.started(); err != nil {
		return err
	}
	o, found := p.remove(s, isSocket)
	if !found {
		return p.fail(WSAENOTSOCK)
	}
	return p.fail(o.release())
}

// CloseHandle closes any handle, also that of a socket. It returns ERROR_INVALID_HANDLE if there is none.
//
// https://learn.microsoft.com/en-us/windows/win32/api/handleapi/nf-handleapi-closehandle
func (p *Process) CloseHandle(handle Handle) (err error) {
	if p == nil || p.api == nil {
		return p.fail(errNoProcess)
	}
	o, found := p.remove(handle, isAny)
	if !found {
		return p.fail(ERROR_INVALID_HANDLE)
	}
	return p.fail(o.release())
}

// Close is [Process.CloseHandle] under package windows' other name for it.
func (p *Process) Close(fd Handle) (err error) { return p.CloseHandle(fd) }

// CurrentProcess returns the handle that stands for the calling process itself.
func (p *Process) CurrentProcess() Handle { return InvalidHandle }

// GetCurrentProcess returns what CurrentProcess returns, and no error.
//
// https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentprocess
func (p *Process) GetCurrentProcess() (Handle, error) { return p.CurrentProcess(), nil }

// DuplicateHandle makes a second handle for what hSourceHandle names. What it names, and the runtime
// reservations of a socket, live until the last handle is closed. Both processes must be
// [Process.CurrentProcess], else it returns ERROR_INVALID_HANDLE; see [Process.DuplicateInto] for two.
// Access and inheritance are accepted and mean nothing here.
//
// https://learn.microsoft.com/en-us/windows/win32/api/handleapi/nf-handleapi-duplicatehandle
func (p *Process) DuplicateHandle(hSourceProcessHandle Handle, hSourceHandle Handle, hTargetProcessHandle Handle, lpTargetHandle *Handle, dwDesiredAccess uint32, bInheritHandle bool, dwOptions uint32) (err error) {
	if hSourceProcessHandle != p.CurrentProcess() || hTargetProcessHandle != p.CurrentProcess() {
		return p.fail(ERROR_INVALID_HANDLE)
	}
	if lpTargetHandle != nil {
		target, err := p.DuplicateInto(p, hSourceHandle)
		if err != nil {
			return err
		}
		*lpTargetHandle = target
	}
	if dwOptions&DUPLICATE_CLOSE_SOURCE != 0 {
		return p.CloseHandle(hSourceHandle)
	}
	return nil
}

// DuplicateInto gives the process target a handle of its own for what h names, as WSADuplicateSocket
// and inheritance do on Windows. A runtime reservation stays the acquirer's: target may bind from it
// through this socket only.
func (p *Process) DuplicateInto(target *Process, h Handle) (Handle, error) {
	if err := p.started(); err != nil {
		return InvalidHandle, err
	}
	if err := target.started(); err != nil {
		return InvalidHandle, p.fail(err)
	}
	o, found := p.find(h)
	if !found || !o.hold() {
		return InvalidHandle, p.fail(ERROR_INVALID_HANDLE)
	}
	duplicate, err := target.insert(o)
	return duplicate, p.fail(err)
}
