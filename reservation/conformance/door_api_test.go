package conformance_test

import (
	"context"
	"sync/atomic"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/win32"
)

// A doorProcess is a process behind a door, in the engine's terms: every call goes through the
// Windows functions and comes back as a code. Exclusions and the dynamic range, for which Windows has
// netsh and no functions, go to netsh.
type doorProcess struct {
	door  door
	netsh netsh
	exit  func() error // beside that of the door
}

// netsh is what an engine's process does for netsh.
type netsh interface {
	AddExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error
	DeleteExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error
	Dynamic(ctx context.Context, protocol reservation.Protocol) (reservation.Range, error)
	SetDynamic(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error
}

// A doorAPI is what a door alone can do.
type doorAPI struct{ doorProcess }

// A netshAPI has netsh as well.
type netshAPI struct {
	doorAPI
	netsh
}

var (
	_ reservation.API      = (*doorAPI)(nil)
	_ reservation.API      = (*netshAPI)(nil)
	_ reservation.Endpoint = (*doorEndpoint)(nil)
	_ conformance.Sharer   = (*doorEndpoint)(nil)
)

func (p *doorProcess) process() *conformance.Process {
	api := &doorAPI{*p}
	process := &conformance.Process{API: api, OpenIPv6: func(_ context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
		return api.open(reservation.IPv6, protocol)
	}}
	if p.netsh != nil {
		process.API = &netshAPI{*api, p.netsh}
	}
	return process
}

// errnoOf keeps a nil error nil.
func errnoOf(code win32.Errno) error {
	if code == win32.ERROR_SUCCESS {
		return nil
	}
	return code
}

func (a *doorAPI) persistent(function string, protocol reservation.Protocol, r reservation.Range) (reservation.Token, error) {
	ports := win32.PortRange(r)
	answer := a.door(call{Function: function, Protocol: protocol, StartPort: ports.StartPort, Count: ports.NumberOfPorts})
	return reservation.Token(answer.Token), errnoOf(answer.Errno)
}

func (a *doorAPI) CreatePersistent(_ context.Context, protocol reservation.Protocol, r reservation.Range, _ string) (reservation.Token, error) {
	return a.persistent("Create", protocol, r)
}

func (a *doorAPI) LookupPersistent(_ context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.Token, error) {
	return a.persistent("Lookup", protocol, r)
}

func (a *doorAPI) DeletePersistent(_ context.Context, protocol reservation.Protocol, r reservation.Range) error {
	_, err := a.persistent("Delete", protocol, r)
	return err
}

func (a *doorAPI) AddExclusion(context.Context, reservation.Protocol, reservation.Range, reservation.ExclusionStore) error {
	return reservation.ErrUnsupported
}

func (a *doorAPI) DeleteExclusion(context.Context, reservation.Protocol, reservation.Range, reservation.ExclusionStore) error {
	return reservation.ErrUnsupported
}

func (a *netshAPI) AddExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error {
	return a.netsh.AddExclusion(ctx, protocol, r, store)
}

func (a *netshAPI) DeleteExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error {
	return a.netsh.DeleteExclusion(ctx, protocol, r, store)
}

func (a *doorAPI) Open(_ context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	return a.open(reservation.IPv4, protocol)
}

func (a *doorAPI) open(family reservation.Family, protocol reservation.Protocol) (reservation.Endpoint, error) {
	answer := a.door(call{Function: "WSASocket", Family: family, Protocol: protocol})
	if err := errnoOf(answer.Errno); err != nil {
		return nil, err
	}
	return &doorEndpoint{door: a.door, family: family, handle: answer.Handle}, nil
}

// Close is nil again for a process that has ended.
func (a *doorAPI) Close() error {
	err := errnoOf(a.door(call{Function: "exit"}).Errno)
	if err != nil && !isCode(err, reservation.ErrClosed) {
		return err
	}
	return a.exit()
}

// A doorEndpoint is one socket.
type doorEndpoint struct {
	door   door
	family reservation.Family
	handle uintptr
	closed atomic.Bool
}

func (e *doorEndpoint) control(code uint32, input []byte, output int) ([]byte, error) {
	answer := e.door(call{Function: "WSAIoctl", Handle: e.handle, Code: code, Input: input, Output: output})
	return answer.Output, errnoOf(answer.Errno)
}

func (e *doorEndpoint) Acquire(_ context.Context, request reservation.Request) (reservation.Reservation, error) {
	input, _ := win32.INET_PORT_RANGE{StartPort: win32.Htons(request.First), NumberOfPorts: uint16(request.Count)}.MarshalBinary()
	output, err := e.control(win32.SIO_ACQUIRE_PORT_RESERVATION, input, win32.SizeofINET_PORT_RESERVATION_INSTANCE)
	if err != nil {
		return reservation.Reservation{}, err
	}
	var instance win32.INET_PORT_RESERVATION_INSTANCE
	if err := instance.UnmarshalBinary(output); err != nil {
		return reservation.Reservation{}, err
	}
	r, err := instance.Reservation.Range()
	return reservation.Reservation{Range: r, Token: reservation.Token(instance.Token.Token)}, err
}

func (e *doorEndpoint) sendToken(code uint32, token reservation.Token) error {
	input, _ := win32.INET_PORT_RESERVATION_TOKEN{Token: uint64(token)}.MarshalBinary()
	_, err := e.control(code, input, 0)
	return err
}

func (e *doorEndpoint) Release(_ context.Context, token reservation.Token) error {
	return e.sendToken(win32.SIO_RELEASE_PORT_RESERVATION, token)
}

func (e *doorEndpoint) Associate(_ context.Context, token reservation.Token) error {
	return e.sendToken(win32.SIO_ASSOCIATE_PORT_RESERVATION, token)
}

// Bind binds the endpoint's own socket; the suite has none to try.
func (e *doorEndpoint) Bind(_ context.Context, port uint16, _ reservation.TryBind) (uint16, error) {
	answer := e.door(call{Function: "bind", Handle: e.handle, Family: e.family, Port: port})
	return answer.Port, errnoOf(answer.Errno)
}

func (e *doorEndpoint) Share() error {
	return errnoOf(e.door(call{Function: "share", Handle: e.handle}).Errno)
}

// Close is nil again for what was closed, by itself or by its process.
func (e *doorEndpoint) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	err := errnoOf(e.door(call{Function: "closesocket", Handle: e.handle}).Errno)
	if err != nil && isCode(err, reservation.ErrClosed) {
		return nil
	}
	return err
}
