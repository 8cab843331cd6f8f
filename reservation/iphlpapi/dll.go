package iphlpapi

import (
	"context"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// A DLL is iphlpapi.dll as one process sees it: the six functions, answered by the engine that
// stands behind a [reservation.API]. It is safe for concurrent use. The zero DLL has no engine; its
// functions return ERROR_NOT_SUPPORTED, as shims for systems before Windows Vista do.
type DLL struct {
	api reservation.API
}

var _ Functions = (*DLL)(nil)

// New returns the functions for the process that api is. The API stays the caller's to close.
func New(api reservation.API) *DLL { return &DLL{api: api} }

// CreatePersistentTcpPortReservation implements [Functions].
func (d *DLL) CreatePersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return d.create(reservation.TCP, blockAndToken(StartPort, NumberOfPorts, Token))
}

// CreatePersistentUdpPortReservation implements [Functions].
func (d *DLL) CreatePersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return d.create(reservation.UDP, blockAndToken(StartPort, NumberOfPorts, Token))
}

// LookupPersistentTcpPortReservation implements [Functions].
func (d *DLL) LookupPersistentTcpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return d.lookup(reservation.TCP, blockAndToken(StartPort, NumberOfPorts, Token))
}

// LookupPersistentUdpPortReservation implements [Functions].
func (d *DLL) LookupPersistentUdpPortReservation(StartPort, NumberOfPorts uint16, Token *uint64) uint32 {
	return d.lookup(reservation.UDP, blockAndToken(StartPort, NumberOfPorts, Token))
}

// DeletePersistentTcpPortReservation implements [Functions].
func (d *DLL) DeletePersistentTcpPortReservation(StartPort, NumberOfPorts uint16) uint32 {
	return d.delete(reservation.TCP, block(StartPort, NumberOfPorts))
}

// DeletePersistentUdpPortReservation implements [Functions].
func (d *DLL) DeletePersistentUdpPortReservation(StartPort, NumberOfPorts uint16) uint32 {
	return d.delete(reservation.UDP, block(StartPort, NumberOfPorts))
}

func (d *DLL) create(protocol reservation.Protocol, a arguments) uint32 {
	return d.call(a, func(r reservation.Range) (reservation.Token, error) {
		return d.api.CreatePersistent(context.Background(), protocol, r, "")
	})
}

func (d *DLL) lookup(protocol reservation.Protocol, a arguments) uint32 {
	return d.call(a, func(r reservation.Range) (reservation.Token, error) {
		return d.api.LookupPersistent(context.Background(), protocol, r)
	})
}

func (d *DLL) delete(protocol reservation.Protocol, a arguments) uint32 {
	return d.call(a, func(r reservation.Range) (reservation.Token, error) {
		return 0, d.api.DeletePersistent(context.Background(), protocol, r)
	})
}

// call asks the engine and turns its answer into a code and a token. Bad arguments are asked about
// as well, as a block without ports: whether the engine complains about them or about a missing
// privilege first is a matter of its policy (A26).
func (d *DLL) call(a arguments, ask func(reservation.Range) (reservation.Token, error)) uint32 {
	if d.api == nil {
		return uint32(win32.ERROR_NOT_SUPPORTED)
	}
	ports := a.ports()
	token, err := ask(ports)
	switch {
	case err != nil:
		return uint32(win32.IphlpapiErrno(err))
	case !ports.IsValid():
		return uint32(win32.ERROR_INVALID_PARAMETER)
	}
	if a.Token != nil {
		*a.Token = uint64(token)
	}
	return uint32(win32.NO_ERROR)
}
