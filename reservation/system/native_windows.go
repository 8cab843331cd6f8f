package system

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// openNative gives the reservations that Windows itself keeps. The options name no store.
func openNative(options *Options) (*Computer, error) {
	if options.BootID != "" {
		return nil, fmt.Errorf("%w: Options.BootID needs a store; Windows knows its boots itself", reservation.ErrInvalid)
	}
	var data windows.WSAData
	if err := windows.WSAStartup(0x0202, &data); err != nil {
		return nil, fmt.Errorf("start Winsock: %w", err)
	}
	process := &nativeProcess{endpoints: make(map[*nativeEndpoint]struct{})}
	return &Computer{
		API:       process,
		Inspector: process,
		elevated:  isElevated() && !options.ReadOnly,
		hasTokens: true,
		close:     process.Close,
	}, nil
}

// A nativeProcess is this process before Windows' own engine. It keeps nothing but what Close ends.
type nativeProcess struct {
	library iphlpapi.SystemDLL

	mu        sync.Mutex // guards the fields below
	closed    bool
	endpoints map[*nativeEndpoint]struct{}
}

var (
	_ reservation.API       = (*nativeProcess)(nil)
	_ reservation.Inspector = (*nativeProcess)(nil)
)

// check refuses what Windows need not be asked.
func (p *nativeProcess) check(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case p.closed:
		return reservation.ErrClosed
	case !protocol.IsValid():
		return fmt.Errorf("%w: %s", reservation.ErrInvalid, protocol)
	case !r.IsValid():
		return fmt.Errorf("%w: a range without ports", reservation.ErrInvalid)
	}
	return nil
}

func failed(op string, protocol reservation.Protocol, r reservation.Range, err error) error {
	return &reservation.Error{Op: op, Protocol: protocol, Range: r, Err: err}
}

func (p *nativeProcess) CreatePersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range, label string) (reservation.Token, error) {
	err := p.check(ctx, protocol, r)
	if err == nil {
		err = reservation.ValidateLabel(label)
	}
	if err == nil && label != "" {
		err = fmt.Errorf("%w: Windows keeps no labels", reservation.ErrUnsupported)
	}
	if err != nil {
		return 0, failed("create", protocol, r, err)
	}
	var token uint64
	create := p.library.CreatePersistentUdpPortReservation
	if protocol == reservation.TCP {
		create = p.library.CreatePersistentTcpPortReservation
	}
	if code := create(win32.Htons(r.First()), uint16(r.Count()), &token); code != 0 {
		return 0, failed("create", protocol, r, win32.Errno(code))
	}
	return reservation.Token(token), nil
}

func (p *nativeProcess) LookupPersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.Token, error) {
	if err := p.check(ctx, protocol, r); err != nil {
		return 0, failed("lookup", protocol, r, err)
	}
	var token uint64
	lookup := p.library.LookupPersistentUdpPortReservation
	if protocol == reservation.TCP {
		lookup = p.library.LookupPersistentTcpPortReservation
	}
	if code := lookup(win32.Htons(r.First()), uint16(r.Count()), &token); code != 0 {
		return 0, failed("lookup", protocol, r, win32.Errno(code))
	}
	return reservation.Token(token), nil
}

func (p *nativeProcess) DeletePersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error {
	if err := p.check(ctx, protocol, r); err != nil {
		return failed("delete", protocol, r, err)
	}
	end := p.library.DeletePersistentUdpPortReservation
	if protocol == reservation.TCP {
		end = p.library.DeletePersistentTcpPortReservation
	}
	if code := end(win32.Htons(r.First()), uint16(r.Count())); code != 0 {
		return failed("delete", protocol, r, win32.Errno(code))
	}
	return nil
}

func (p *nativeProcess) AddExclusion(_ context.Context, protocol reservation.Protocol, r reservation.Range, _ reservation.ExclusionStore) error {
	return failed("exclude", protocol, r, notInWindows("exclusions; use netsh interface ipv4 add excludedportrange"))
}

func (p *nativeProcess) DeleteExclusion(_ context.Context, protocol reservation.Protocol, r reservation.Range, _ reservation.ExclusionStore) error {
	return failed("exclude", protocol, r, notInWindows("exclusions; use netsh interface ipv4 delete excludedportrange"))
}

func (p *nativeProcess) List(_ context.Context, protocol reservation.Protocol) ([]reservation.Block, error) {
	return nil, failed("list", protocol, reservation.Range{}, notInWindows("listing reservations; netsh interface ipv4 show excludedportrange shows their ports"))
}

func (p *nativeProcess) Explain(_ context.Context, protocol reservation.Protocol, r reservation.Range) (*reservation.Explanation, error) {
	return nil, failed("explain", protocol, r, notInWindows("asking who reserved a port"))
}

func (p *nativeProcess) Free(_ context.Context, protocol reservation.Protocol, _ int, search pool.Search) (reservation.Range, error) {
	return reservation.Range{}, failed("find", protocol, search.Within, notInWindows("looking for free blocks"))
}

// notInWindows says that the functions of Windows do not cover something; the engine on a store does.
func notInWindows(what string) error {
	return fmt.Errorf("%w: Windows has no function for %s", reservation.ErrUnsupported, what)
}

func (p *nativeProcess) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	if err := p.check(ctx, protocol, pool.AllPorts); err != nil {
		return nil, failed("open", protocol, reservation.Range{}, err)
	}
	e := &nativeEndpoint{process: p, protocol: protocol, holder: windows.InvalidHandle}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, failed("open", protocol, reservation.Range{}, reservation.ErrClosed)
	}
	p.endpoints[e] = struct{}{}
	return e, nil
}

func (p *nativeProcess) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	endpoints := p.endpoints
	p.endpoints = nil
	p.mu.Unlock()
	for e := range endpoints {
		e.release()
	}
	return windows.WSACleanup()
}

func (p *nativeProcess) forget(e *nativeEndpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.endpoints, e)
}
