package winsock

import "sync"

// An event is what a program waits for.
type event struct {
	manual bool

	mu    sync.Mutex
	isSet bool          // of a manual event: since set, until reset
	ready chan struct{} // holds an element, for one who waits to take, while the event is set
}

func newEvent(manual, set bool) *event {
	e := &event{manual: manual, ready: make(chan struct{}, 1)}
	if set {
		e.set()
	}
	return e
}

func (e *event) close() error { return nil }

func (e *event) set() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.isSet = true
	e.offer()
}

func (e *event) offer() {
	select {
	case e.ready <- struct{}{}:
	default: // there is one
	}
}

func (e *event) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.isSet = false
	select {
	case <-e.ready:
	default:
	}
}

// taken is called by whoever took the element: a manual event stays set for the next one.
func (e *event) taken() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.manual && e.isSet {
		e.offer()
	}
}

// CreateEvent opens an event that overlapped calls set when they end. One that is not manual is
// reset by the wait that it ends. Attributes and name are not looked at.
//
// https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-createeventw
func (p *Process) CreateEvent(eventAttrs *SecurityAttributes, manualReset uint32, initialState uint32, name *uint16) (handle Handle, err error) {
	if p == nil || p.api == nil {
		return 0, p.fail(errNoProcess)
	}
	handle, err = p.adopt(newEvent(manualReset != 0, initialState != 0))
	if err != nil {
		return 0, p.fail(err)
	}
	return handle, nil
}

// SetEvent sets an event.
//
// https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-setevent
func (p *Process) SetEvent(event Handle) (err error) {
	e, err := p.event(event)
	if err != nil {
		return p.fail(err)
	}
	e.set()
	return nil
}

// ResetEvent resets an event.
//
// https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-resetevent
func (p *Process) ResetEvent(event Handle) (err error) {
	e, err := p.event(event)
	if err != nil {
		return p.fail(err)
	}
	e.reset()
	return nil
}

// WaitForSingleObject waits until an event is set and returns WAIT_OBJECT_0, or WAIT_TIMEOUT when the
// time is over. It returns WAIT_FAILED and ERROR_INVALID_HANDLE for what is not an event, and
// WAIT_FAILED and WSA_OPERATION_ABORTED if the process ends meanwhile.
//
// https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-waitforsingleobject
func (p *Process) WaitForSingleObject(handle Handle, waitMilliseconds uint32) (event uint32, err error) {
	e, err := p.event(handle)
	if err != nil {
		return WAIT_FAILED, p.fail(err)
	}
	select { // what is set already counts, also for a time of 0
	case <-e.ready:
		e.taken()
		return WAIT_OBJECT_0, nil
	default:
	}
	expired, stop := timer(waitMilliseconds)
	defer stop()
	select {
	case <-e.ready:
		e.taken()
		return WAIT_OBJECT_0, nil
	case <-expired:
		return uint32(WAIT_TIMEOUT), nil
	case <-p.ctx.Done():
		return WAIT_FAILED, p.fail(WSA_OPERATION_ABORTED)
	}
}

func (p *Process) event(h Handle) (*event, error) {
	if p == nil || p.api == nil {
		return nil, errNoProcess
	}
	if o, found := p.find(h); found {
		if e, is := o.resource.(*event); is {
			return e, nil
		}
	}
	return nil, ERROR_INVALID_HANDLE
}
