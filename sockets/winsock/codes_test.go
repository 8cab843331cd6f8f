package winsock_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// Every code that the pages of the three controls list, how a program gets it, and which it cannot
// get here. Other tests look at each more closely.
func TestEveryDocumentedCodeIsProvoked(t *testing.T) {
	m := newMachine(t)
	admin := m.Process("root", machine.Elevated)
	defer admin.Exit()
	persistent, err := admin.CreatePersistent(context.Background(), reservation.UDP, pool.MustParseRange("42000+10"), "")
	require.NoError(t, err)
	p := start(t, m, machine.Administrator)
	down := startFailing(t, &failing{openEndpoint: func(e reservation.Endpoint) reservation.Endpoint {
		return &slowEndpoint{Endpoint: e, fails: errors.New("the disk has gone")}
	}})
	data := make([]byte, 1)
	buf := winsock.WSABuf{Len: 1, Buf: &data[0]}
	var flags, returned uint32
	var overlapped winsock.Overlapped
	waiting, _ := bound(t, p, udp(t, p))
	pends := func() error { return p.WSARecv(waiting, &buf, 1, nil, &flags, &overlapped, nil) }
	aborted := func() error {
		if err := p.CancelIoEx(waiting, &overlapped); err != nil {
			return err
		}
		return p.WSAGetOverlappedResult(waiting, &overlapped, &returned, true, &flags)
	}
	acquired := func(first, count uint16) error {
		_, err := acquire(p, udp(t, p), first, count)
		return err
	}
	for _, row := range []struct {
		name string
		want winsock.Errno
		how  func() error
	}{
		{"997: a receive with an overlapped waits for data; controls complete at once", winsock.WSA_IO_PENDING, pends},
		{"995: an overlapped receive is cancelled", winsock.WSA_OPERATION_ABORTED, aborted},
		{"10004: a socket is closed while a control works on it", winsock.WSAEINTR, func() error { return interruptedControl(t) }},
		{"10013: a persistent token without elevation", winsock.WSAEACCES, func() error { return associate(p, udp(t, p), uint64(persistent)) }},
		{"10014: no buffer", winsock.WSAEFAULT, func() error {
			return p.WSAIoctl(udp(t, p), winsock.SIO_RELEASE_PORT_RESERVATION, nil, 8, nil, 0, &returned, nil, 0)
		}},
		{"10022: no ports", winsock.WSAEINVAL, func() error { return acquired(40000, 0) }},
		{"10038: no socket", winsock.WSAENOTSOCK, func() error { return associate(p, 3, 1) }},
		{"10045: an unknown control", winsock.WSAEOPNOTSUPP, func() error {
			return p.WSAIoctl(udp(t, p), 0xd8000064, memory(rangeBytes(1, 1)), 4, &data[0], 1, &returned, nil, 0)
		}},
		{"10048: the ports of somebody's block", winsock.WSAEADDRINUSE, func() error { return acquired(42009, 2) }},
		{"10050: the engine fails in a way of its own", winsock.WSAENETDOWN, func() error {
			_, err := acquire(down, udp(t, down), 40000, 1)
			return err
		}},
		{"10055: no block of the size is free", winsock.WSAENOBUFS, func() error { return acquired(0, 65535) }},
		// 10036, a callback in progress, is a relic of Winsock 1.1: no call waits for a callback.
	} {
		require.Equal(t, row.want, row.how(), row.name)
	}
}
