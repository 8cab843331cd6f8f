package system

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A nativeEndpoint is the half of a socket that Windows does not see: the token until there is a
// socket to put it on, and a socket of its own that holds what was acquired.
type nativeEndpoint struct {
	process  *nativeProcess
	protocol reservation.Protocol

	mu     sync.Mutex // guards the fields below
	state  endpointState
	token  reservation.Token // associated; 0 if none
	holder windows.Handle    // made when first needed; never bound
}

type endpointState uint8

const (
	stateOpen endpointState = iota
	stateBinding
	stateBound
	stateClosed
)

var (
	_ reservation.Endpoint     = (*nativeEndpoint)(nil)
	_ reservation.SocketTagger = (*nativeEndpoint)(nil)
)

// newSocket makes a socket of the endpoint's protocol. IPv4 and IPv6 share reservations.
func (e *nativeEndpoint) newSocket() (windows.Handle, error) {
	kind := int32(windows.SOCK_DGRAM)
	if e.protocol == reservation.TCP {
		kind = windows.SOCK_STREAM
	}
	socket, err := windows.WSASocket(windows.AF_INET, kind, int32(e.protocol), nil, 0,
		windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
	if err != nil {
		return windows.InvalidHandle, fmt.Errorf("create a socket: %w", codeOf(err))
	}
	return socket, nil
}

// holdLocked returns the endpoint's own socket.
func (e *nativeEndpoint) holdLocked(ctx context.Context) (windows.Handle, error) {
	switch {
	case ctx.Err() != nil:
		return windows.InvalidHandle, ctx.Err()
	case e.state == stateClosed:
		return windows.InvalidHandle, reservation.ErrClosed
	case e.holder != windows.InvalidHandle:
		return e.holder, nil
	}
	socket, err := e.newSocket()
	if err == nil {
		e.holder = socket
	}
	return socket, err
}

func (e *nativeEndpoint) Acquire(ctx context.Context, request reservation.Request) (reservation.Reservation, error) {
	asked, err := checkRequest(request)
	if err != nil {
		return reservation.Reservation{}, failed("acquire", e.protocol, asked, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	socket, err := e.holdLocked(ctx)
	if err != nil {
		return reservation.Reservation{}, failed("acquire", e.protocol, asked, err)
	}
	acquired, err := acquireReservation(socket, request.First, request.Count)
	if err != nil {
		return reservation.Reservation{}, failed("acquire", e.protocol, asked, err)
	}
	return acquired, nil
}

// checkRequest refuses what Windows cannot do, and returns the range of a specific request.
func checkRequest(request reservation.Request) (reservation.Range, error) {
	var asked reservation.Range
	err := reservation.ValidateLabel(request.Label)
	switch {
	case err != nil:
	case request.Count < 1 || request.Count > pool.MaxPort:
		err = fmt.Errorf("%w: %d ports, want 1 to %d", reservation.ErrInvalid, request.Count, pool.MaxPort)
	case request.Align < 0:
		err = fmt.Errorf("%w: alignment %d", reservation.ErrInvalid, request.Align)
	case request.Label != "":
		err = fmt.Errorf("%w: Windows keeps no labels", reservation.ErrUnsupported)
	case request.First != 0:
		asked, err = pool.RangeFrom(request.First, request.Count)
	case request.Align > 1 || request.Within.IsValid():
		err = fmt.Errorf("%w: Windows chooses from its dynamic range, without alignment", reservation.ErrUnsupported)
	}
	return asked, err
}

func (e *nativeEndpoint) Release(ctx context.Context, token reservation.Token) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	socket, err := e.holdLocked(ctx)
	if err != nil {
		return failed("release", e.protocol, reservation.Range{}, err)
	}
	if err := releaseReservation(socket, token); err != nil {
		return failed("release", e.protocol, reservation.Range{}, err)
	}
	return nil
}

// Associate tries the token on a socket that is closed at once, so that a wrong one fails here and
// not only when the real socket is tagged.
func (e *nativeEndpoint) Associate(ctx context.Context, token reservation.Token) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := ctx.Err()
	switch {
	case err != nil:
	case e.state == stateClosed:
		err = reservation.ErrClosed
	case e.state != stateOpen:
		err = fmt.Errorf("%w: associate comes before bind", reservation.ErrState)
	case token == 0:
		err = fmt.Errorf("%w: token 0 names nothing", reservation.ErrNotFound)
	default:
		err = e.tryToken(token)
	}
	if err != nil {
		return failed("associate", e.protocol, reservation.Range{}, err)
	}
	e.token = token
	return nil
}

func (e *nativeEndpoint) tryToken(token reservation.Token) error {
	socket, err := e.newSocket()
	if err != nil {
		return err
	}
	defer windows.Closesocket(socket)
	return associateReservation(socket, token)
}

// TagSocket puts the token on the real socket. Windows decides at its bind.
func (e *nativeEndpoint) TagSocket(socket syscall.RawConn) error {
	e.mu.Lock()
	token := e.token
	e.mu.Unlock()
	if token == 0 {
		return nil
	}
	var refused error
	err := socket.Control(func(fd uintptr) { refused = associateReservation(windows.Handle(fd), token) })
	if err := errors.Join(err, refused); err != nil {
		return failed("associate", e.protocol, reservation.Range{}, err)
	}
	return nil
}

// Bind has nothing to claim: Windows chooses, admits and refuses when try binds.
func (e *nativeEndpoint) Bind(ctx context.Context, port uint16, try reservation.TryBind) (uint16, error) {
	asked := reservation.Range{}
	if port != 0 {
		asked = pool.RangeOf(port)
	}
	if err := e.beginBind(ctx); err != nil {
		return 0, failed("bind", e.protocol, asked, err)
	}
	bound, err := port, error(nil)
	if try != nil {
		bound, err = try(port)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		if e.state == stateBinding {
			e.state = stateOpen
		}
		return 0, failed("bind", e.protocol, asked, err)
	}
	if e.state == stateBinding {
		e.state = stateBound
	}
	return bound, nil
}

func (e *nativeEndpoint) beginBind(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case e.state == stateClosed:
		return reservation.ErrClosed
	case e.state != stateOpen:
		return fmt.Errorf("%w: the endpoint is bound", reservation.ErrState)
	}
	e.state = stateBinding
	return nil
}

func (e *nativeEndpoint) Close() error {
	e.process.forget(e)
	e.release()
	return nil
}

// release closes the endpoint's own socket, with which its runtime reservations end.
func (e *nativeEndpoint) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = stateClosed
	if e.holder != windows.InvalidHandle {
		windows.Closesocket(e.holder)
		e.holder = windows.InvalidHandle
	}
}
