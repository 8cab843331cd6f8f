// Package berthtest gives Go tests bound sockets: consecutive ports of the loopback address, from a
// block that the system keeps from everybody else until the test ends.
//
// It stands in for helpers that look for a free port and return its number. Such a number may be
// somebody else's by the time that it is used, which makes tests fail now and then when many run at
// once. Here the test gets the sockets themselves. A port whose socket the test has closed is held
// on until the test ends: a port where certainly nobody answers.
//
// Tests may run in parallel, and any number of test programs at once. They share nothing on disk.
package berthtest

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/hold"
	"github.com/berthkit/berth/sockets/inuse"
)

// UDP returns n UDP sockets that are bound to consecutive ports of 127.0.0.1, in order. They are
// closed when the test ends. If there are no such ports, or if n is not 1 to 65,535, the test fails
// at once and says why. It is called from the test's own goroutine, as t.Fatal is.
func UDP(t testing.TB, n int) []*sockets.UDPConn {
	t.Helper()
	return bind(t, pool.UDP, n, 1, listenUDP)
}

// TCP returns n listening TCP sockets; all else is as for [UDP].
func TCP(t testing.TB, n int) []*sockets.TCPListener {
	t.Helper()
	return bind(t, pool.TCP, n, 1, listenTCP)
}

// Pair returns two UDP sockets of an even port and the odd one behind it, as RTP and RTCP want them;
// all else is as for [UDP].
func Pair(t testing.TB) (even, odd *sockets.UDPConn) {
	t.Helper()
	pair := bind(t, pool.UDP, 2, 2, listenUDP)
	return pair[0], pair[1]
}

// engine returns this program's process on an engine of its own.
var engine = sync.OnceValues(func() (*reservation.Process, error) {
	config := reservation.Config{Journal: reservation.NewMemoryJournal(), Ports: inuse.New(), BootID: "berthtest"}
	if runtime.GOOS != "windows" { // which has no way to hold a port with a socket
		config.Keeper = hold.New()
	}
	host, err := reservation.New(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return host.Process(reservation.Caller{}), nil
})

// attempts is how many blocks are tried. One does where ports are handed over without a gap; on other
// systems somebody else may take a port of the block just when it is bound.
const attempts = 100

// A listen binds one socket of a block.
type listen[S io.Closer] func(ctx context.Context, from *sockets.ListenConfig, port uint16) (S, error)

func listenUDP(ctx context.Context, from *sockets.ListenConfig, port uint16) (*sockets.UDPConn, error) {
	return from.ListenUDP(ctx, "udp4", &net.UDPAddr{IP: loopback, Port: int(port)})
}

func listenTCP(ctx context.Context, from *sockets.ListenConfig, port uint16) (*sockets.TCPListener, error) {
	return from.ListenTCP(ctx, "tcp4", &net.TCPAddr{IP: loopback, Port: int(port)})
}

var loopback = net.IPv4(127, 0, 0, 1)

// bind acquires a block for the test and binds a socket to each of its ports.
func bind[S io.Closer](t testing.TB, protocol reservation.Protocol, n, align int, listen listen[S]) []S {
	t.Helper()
	process, err := engine()
	if err != nil {
		t.Fatalf("berthtest: %v", err)
	}
	for range attempts {
		var bound []S
		if bound, err = bindBlock(t, process, protocol, n, align, listen); err == nil {
			return bound
		}
		if !errors.Is(err, reservation.ErrInUse) {
			break
		}
	}
	t.Fatalf("berthtest: no %d bound %v sockets for the test: %v", n, protocol, err)
	return nil
}

// bindBlock makes one attempt. What it binds is closed by the end of the test, or before it returns
// an error.
func bindBlock[S io.Closer](t testing.TB, process *reservation.Process, protocol reservation.Protocol, n, align int, listen listen[S]) ([]S, error) {
	owner, err := process.Open(t.Context(), protocol)
	if err != nil {
		return nil, err
	}
	var bound []S
	release := func() {
		for _, socket := range bound {
			_ = socket.Close() // the test may have done so
		}
		_ = owner.Close() // never fails, and ends the reservation
	}
	block, err := owner.Acquire(t.Context(), reservation.Request{Count: n, Align: align, Label: label(t)})
	if err != nil {
		release()
		return nil, err
	}
	from := &sockets.ListenConfig{Process: process, Token: block.Token}
	for port := range block.Range.Ports() {
		socket, err := listen(t.Context(), from, port)
		if err != nil {
			release()
			return nil, err
		}
		bound = append(bound, socket)
	}
	t.Cleanup(release)
	return bound, nil
}

// label names the test in the errors of others, as far as its name can be shown.
func label(t testing.TB) string {
	if name := t.Name(); reservation.ValidateLabel(name) == nil {
		return name
	}
	return "a test"
}
