package system

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// The ioctls, one to one. They return what Windows returned, 0 for success.

// WSAIoctl(s, SIO_ACQUIRE_PORT_RESERVATION, INET_PORT_RANGE, 4, INET_PORT_RESERVATION_INSTANCE, 16, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-acquire-port-reservation
func acquireReservation(socket windows.Handle, first uint16, count int) (reservation.Reservation, error) {
	in, err := win32.INET_PORT_RANGE{StartPort: win32.Htons(first), NumberOfPorts: uint16(count)}.MarshalBinary()
	if err != nil {
		return reservation.Reservation{}, err
	}
	var out [win32.SizeofINET_PORT_RESERVATION_INSTANCE]byte
	var n uint32
	err = windows.WSAIoctl(socket, uint32(win32.SIO_ACQUIRE_PORT_RESERVATION), &in[0], uint32(len(in)), &out[0], uint32(len(out)), &n, nil, 0)
	if err != nil {
		return reservation.Reservation{}, codeOf(err)
	}
	var instance win32.INET_PORT_RESERVATION_INSTANCE
	if err := instance.UnmarshalBinary(out[:]); err != nil {
		return reservation.Reservation{}, err
	}
	r, err := instance.Reservation.Range()
	if err != nil || instance.Token.Token == win32.INVALID_PORT_RESERVATION_TOKEN {
		return reservation.Reservation{}, fmt.Errorf("%w: no reservation can be read from what Windows returned: %v", reservation.ErrUnsupported, out)
	}
	return reservation.Reservation{Range: r, Token: reservation.Token(instance.Token.Token)}, nil
}

// WSAIoctl(s, SIO_RELEASE_PORT_RESERVATION, INET_PORT_RESERVATION_TOKEN, 8, NULL, 0, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-release-port-reservation
func releaseReservation(socket windows.Handle, token reservation.Token) error {
	return sendToken(socket, win32.SIO_RELEASE_PORT_RESERVATION, token)
}

// WSAIoctl(s, SIO_ASSOCIATE_PORT_RESERVATION, INET_PORT_RESERVATION_TOKEN, 8, NULL, 0, &n, NULL, NULL)
//
// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-associate-port-reservation
func associateReservation(socket windows.Handle, token reservation.Token) error {
	return sendToken(socket, win32.SIO_ASSOCIATE_PORT_RESERVATION, token)
}

func sendToken(socket windows.Handle, ioctl uint32, token reservation.Token) error {
	in, err := win32.INET_PORT_RESERVATION_TOKEN{Token: uint64(token)}.MarshalBinary()
	if err != nil {
		return err
	}
	var n uint32
	if err := windows.WSAIoctl(socket, ioctl, &in[0], uint32(len(in)), nil, 0, &n, nil, 0); err != nil {
		return codeOf(err)
	}
	return nil
}

// codeOf returns the code of a failed Winsock call, which is also the condition that it stands for.
func codeOf(err error) error {
	var code windows.Errno
	if errors.As(err, &code) && code != 0 {
		return win32.Errno(code)
	}
	return err
}
