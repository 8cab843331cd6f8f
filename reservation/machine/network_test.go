package machine_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/machine/machinetest"
)

var (
	noPeer   netip.AddrPort
	noOption reservation.SocketOptions
	dual     = reservation.SocketOptions{DualMode: true}
)

// done is a context that lets calls return what is there and wait for nothing.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// receive returns the datagram that waits, and its sender.
func receive(t *testing.T, s reservation.NetworkSocket) (string, string) {
	t.Helper()
	data := make([]byte, 100)
	n, from, err := s.Receive(done(), data)
	require.NoError(t, err)
	return string(data[:n]), from.String()
}

func requireNothing(t *testing.T, s reservation.NetworkSocket) {
	t.Helper()
	_, _, err := s.Receive(done(), make([]byte, 100))
	require.ErrorIs(t, err, context.Canceled)
}

func send(t *testing.T, s reservation.NetworkSocket, data, peer string) {
	t.Helper()
	n, err := s.Send(t.Context(), []byte(data), netip.MustParseAddrPort(peer))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

func TestDatagramsArrive(t *testing.T) {
	tests := []struct {
		name             string
		sender, receiver string
		to, from         string // as the two see each other
		options          reservation.SocketOptions
	}{
		{"loopback", "127.0.0.1:5000", "127.0.0.1:6000", "127.0.0.1:6000", "127.0.0.1:5000", noOption},
		{"another loopback address", "127.0.0.1:5000", "127.9.9.9:6000", "127.9.9.9:6000", "127.0.0.1:5000", noOption},
		{"wildcards", "0.0.0.0:5000", "0.0.0.0:6000", "192.0.2.10:6000", "192.0.2.10:5000", noOption},
		{"IPv6", "[::]:5000", "[::1]:6000", "[::1]:6000", "[::1]:5000", noOption},
		{"dual mode to IPv6", "[2001:db8::10]:5000", "[::]:6000", "[2001:db8::10]:6000", "[2001:db8::10]:5000", dual},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := machinetest.New(t).Process("alice", machine.Plain)
			defer p.Exit()
			sender := openBound(t, p, machine.UDP, test.sender, test.options)
			receiver := openBound(t, p, machine.UDP, test.receiver, test.options)
			send(t, sender, "ping", test.to)
			data, from := receive(t, receiver)
			require.Equal(t, "ping", data)
			require.Equal(t, test.from, from)
			send(t, receiver, "", from)
			data, _ = receive(t, sender)
			require.Empty(t, data, "an empty datagram is one")
			requireNothing(t, sender)
		})
	}
}

// A dual mode socket talks to IPv4 sockets and shows their addresses in mapped form.
func TestDualModeSpeaksIPv4(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	both := openBound(t, p, machine.UDP, "[::]:6000", dual)
	v4 := openBound(t, p, machine.UDP, "0.0.0.0:5000", noOption)
	send(t, v4, "ping", "127.0.0.1:6000")
	data, from := receive(t, both)
	require.Equal(t, "ping", data)
	require.Equal(t, "[::ffff:127.0.0.1]:5000", from)
	send(t, both, "pong", from)
	data, from = receive(t, v4)
	require.Equal(t, "pong", data)
	require.Equal(t, "127.0.0.1:6000", from)

	only6 := openBound(t, p, machine.UDP, "[::]:7000", noOption)
	_, err := only6.Send(t.Context(), nil, netip.MustParseAddrPort("[::ffff:127.0.0.1]:5000"))
	require.ErrorIs(t, err, reservation.ErrAddress, "IPv6 only")
	require.ErrorIs(t, only6.Connect(t.Context(), netip.MustParseAddrPort("[::ffff:127.0.0.1]:5000")), reservation.ErrAddress)
	send(t, v4, "ping", "127.0.0.1:7000")
	requireNothing(t, only6)
}

func TestDatagramGoesToTheBestSocket(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	reuse := reservation.SocketOptions{ReuseAddress: true}
	wild := openBound(t, p, machine.UDP, "0.0.0.0:6000", reuse)
	specific := openBound(t, p, machine.UDP, "127.0.0.1:6000", reuse)
	connected := openBound(t, p, machine.UDP, "0.0.0.0:6000", reuse)
	require.NoError(t, connected.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:5001")))
	require.Equal(t, "127.0.0.1:6000", connected.LocalAddress().String(), "a connected socket has an address")
	other := openBound(t, p, machine.UDP, "127.0.0.1:5000", noOption)
	friend := openBound(t, p, machine.UDP, "127.0.0.1:5001", noOption)

	send(t, other, "to the specific one", "127.0.0.1:6000")
	send(t, other, "to the wildcard", "127.0.0.2:6000")
	send(t, friend, "to the connected one", "127.0.0.1:6000")
	for socket, want := range map[reservation.NetworkSocket]string{
		specific: "to the specific one", wild: "to the wildcard", connected: "to the connected one",
	} {
		data, _ := receive(t, socket)
		require.Equal(t, want, data)
		requireNothing(t, socket)
	}
	require.Equal(t, "127.0.0.1:5001", connected.PeerAddress().String())
	n, err := connected.Send(t.Context(), []byte("back"), noPeer)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	data, from := receive(t, friend)
	require.Equal(t, "back", data)
	require.Equal(t, "127.0.0.1:6000", from)

	require.NoError(t, connected.Connect(t.Context(), noPeer), "the zero peer ends it")
	require.Equal(t, "0.0.0.0:6000", connected.LocalAddress().String())
	_, err = connected.Send(t.Context(), nil, noPeer)
	require.ErrorIs(t, err, reservation.ErrNotConnected)
}

func TestBroadcast(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	reuse := reservation.SocketOptions{ReuseAddress: true}
	one := openBound(t, p, machine.UDP, "0.0.0.0:6000", reuse)
	two := openBound(t, p, machine.UDP, "0.0.0.0:6000", reuse)
	specific := openBound(t, p, machine.UDP, "127.0.0.1:6000", reuse)
	sender := openBound(t, p, machine.UDP, "0.0.0.0:5000", noOption)
	everybody := netip.MustParseAddrPort("255.255.255.255:6000")
	_, err := sender.Send(t.Context(), []byte("all"), everybody)
	require.ErrorIs(t, err, reservation.ErrDenied, "without SO_BROADCAST")
	require.NoError(t, sender.SetOptions(reservation.SocketOptions{Broadcast: true}), "which may come after bind")
	_, err = sender.Send(t.Context(), []byte("all"), everybody)
	require.NoError(t, err)
	for _, s := range []reservation.NetworkSocket{one, two} {
		data, from := receive(t, s)
		require.Equal(t, "all", data)
		require.Equal(t, "192.0.2.10:5000", from)
	}
	requireNothing(t, specific)
}

func TestDatagramLimits(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	v4, v6 := openBound(t, p, machine.UDP, "127.0.0.1:5000", noOption), openBound(t, p, machine.UDP, "[::1]:5000", noOption)
	for s, longest := range map[reservation.NetworkSocket]int{v4: 65507, v6: 65527} {
		n, err := s.Send(t.Context(), make([]byte, longest), s.LocalAddress())
		require.NoError(t, err)
		require.Equal(t, longest, n)
		_, err = s.Send(t.Context(), make([]byte, longest+1), s.LocalAddress())
		require.ErrorIs(t, err, reservation.ErrTooLong)
		_, err = s.Send(t.Context(), make([]byte, 1000), s.LocalAddress())
		require.NoError(t, err, "the receiver has no room and the datagram is lost")
		n, _, err = s.Receive(t.Context(), make([]byte, 10))
		require.ErrorIs(t, err, reservation.ErrTooLong, "cut")
		require.Equal(t, 10, n)
		requireNothing(t, s)
	}
	for range 5000 {
		send(t, v4, "", "127.0.0.1:5000")
	}
	count := 0
	for ; ; count++ {
		if _, _, err := v4.Receive(done(), nil); err != nil {
			break
		}
	}
	require.Equal(t, 1025, count, "empty datagrams fill the buffer too")
}

func TestStreams(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	listener := openBound(t, p, machine.TCP, "[::]:6000", dual)
	require.NoError(t, listener.Listen(1))
	client := openBound(t, p, machine.TCP, "0.0.0.0:5000", noOption)
	require.NoError(t, client.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:6000")))
	require.Equal(t, "127.0.0.1:5000", client.LocalAddress().String())
	require.Equal(t, "127.0.0.1:6000", client.PeerAddress().String())
	late := openBound(t, p, machine.TCP, "0.0.0.0:5001", noOption)
	require.ErrorIs(t, late.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:6000")), reservation.ErrRefused, "the backlog is full")

	server, err := listener.Accept(t.Context())
	require.NoError(t, err)
	require.Equal(t, "[::ffff:127.0.0.1]:6000", server.LocalAddress().String())
	require.Equal(t, "[::ffff:127.0.0.1]:5000", server.PeerAddress().String())
	_, err = listener.Accept(done())
	require.ErrorIs(t, err, context.Canceled)

	// More than a buffer, in both directions at once.
	sent := bytes.Repeat([]byte("berth "), 50_000)
	for _, ends := range [][2]reservation.NetworkSocket{{client, server}, {server, client}} {
		go func() {
			n, err := ends[0].Send(context.Background(), sent, noPeer)
			if n != len(sent) || err != nil {
				panic(err)
			}
		}()
	}
	for _, s := range []reservation.NetworkSocket{client, server} {
		got := make([]byte, len(sent))
		_, err := io.ReadFull(reader{t, s}, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent, got))
	}

	_, err = client.Send(t.Context(), []byte("bye"), noPeer)
	require.NoError(t, err)
	require.NoError(t, client.Close())
	data, _ := receive(t, server)
	require.Equal(t, "bye", data, "what was sent before the close arrives")
	data, _ = receive(t, server)
	require.Empty(t, data, "the end of the stream")
	_, err = server.Send(t.Context(), []byte("?"), noPeer)
	require.ErrorIs(t, err, reservation.ErrNotConnected)
}

// reader reads a stream as an io.Reader.
type reader struct {
	t *testing.T
	s reservation.NetworkSocket
}

func (r reader) Read(p []byte) (int, error) {
	n, _, err := r.s.Receive(r.t.Context(), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

func TestStreamSendsWhatThereIsRoomFor(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	client, server := connect(t, p)
	n, err := client.Send(done(), make([]byte, 100_000), noPeer)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 64<<10, n)
	n, _, err = server.Receive(done(), make([]byte, 100_000))
	require.NoError(t, err)
	require.Equal(t, 64<<10, n)
	n, _, err = server.Receive(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// connect returns both ends of a stream.
func connect(t *testing.T, p *machine.Process) (client, server reservation.NetworkSocket) {
	t.Helper()
	listener := openBound(t, p, machine.TCP, "127.0.0.1:6000", noOption)
	require.NoError(t, listener.Listen(1))
	client = openBound(t, p, machine.TCP, "127.0.0.1:5000", noOption)
	require.NoError(t, client.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:6000")))
	server, err := listener.Accept(t.Context())
	require.NoError(t, err)
	return client, server
}

// Two clients that share their address cannot have the same connection.
func TestConnectionsAreDistinct(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	listener := openBound(t, p, machine.TCP, "0.0.0.0:6000", noOption)
	require.NoError(t, listener.Listen(10))
	reuse := reservation.SocketOptions{ReuseAddress: true}
	one, two := openBound(t, p, machine.TCP, "0.0.0.0:5000", reuse), openBound(t, p, machine.TCP, "0.0.0.0:5000", reuse)
	server := netip.MustParseAddrPort("127.0.0.1:6000")
	require.NoError(t, one.Connect(t.Context(), server))
	require.ErrorIs(t, two.Connect(t.Context(), server), reservation.ErrInUse)
	require.NoError(t, two.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.2:6000")))
	require.ErrorIs(t, two.Connect(t.Context(), server), reservation.ErrState)
}

// Whatever waits, ends: by its context, by the socket's close, by the process's exit, by the reboot,
// by the peer's close.
func TestWaitingCallsEnd(t *testing.T) {
	calls := map[string]func(ctx context.Context, t *testing.T, p *machine.Process) (wait func() error, s, peer reservation.NetworkSocket){
		"receive datagram": func(ctx context.Context, t *testing.T, p *machine.Process) (func() error, reservation.NetworkSocket, reservation.NetworkSocket) {
			s := openBound(t, p, machine.UDP, "127.0.0.1:5000", noOption)
			return func() error { _, _, err := s.Receive(ctx, make([]byte, 1)); return err }, s, nil
		},
		"accept": func(ctx context.Context, t *testing.T, p *machine.Process) (func() error, reservation.NetworkSocket, reservation.NetworkSocket) {
			s := openBound(t, p, machine.TCP, "127.0.0.1:5000", noOption)
			require.NoError(t, s.Listen(1))
			return func() error { _, err := s.Accept(ctx); return err }, s, nil
		},
		"receive stream": func(ctx context.Context, t *testing.T, p *machine.Process) (func() error, reservation.NetworkSocket, reservation.NetworkSocket) {
			client, server := connect(t, p)
			return func() error { _, _, err := client.Receive(ctx, make([]byte, 1)); return err }, client, server
		},
		"send stream": func(ctx context.Context, t *testing.T, p *machine.Process) (func() error, reservation.NetworkSocket, reservation.NetworkSocket) {
			client, server := connect(t, p)
			return func() error { _, err := client.Send(ctx, make([]byte, 100_000), noPeer); return err }, client, server
		},
	}
	ends := map[string]struct {
		end func(m *machine.Machine, p *machine.Process, s reservation.NetworkSocket, cancel func()) error
		err error
	}{
		"context": {func(_ *machine.Machine, _ *machine.Process, _ reservation.NetworkSocket, cancel func()) error {
			cancel()
			return nil
		}, context.Canceled},
		"close": {func(_ *machine.Machine, _ *machine.Process, s reservation.NetworkSocket, _ func()) error {
			return s.Close()
		}, reservation.ErrClosed},
		"exit": {func(_ *machine.Machine, p *machine.Process, _ reservation.NetworkSocket, _ func()) error {
			return p.Close()
		}, reservation.ErrClosed},
		"reboot": {func(m *machine.Machine, _ *machine.Process, _ reservation.NetworkSocket, _ func()) error {
			return m.Reboot()
		}, reservation.ErrClosed},
	}
	for name, call := range calls {
		for by, end := range ends {
			t.Run(name+"/"+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := machinetest.New(t)
					p := m.Process("alice", machine.Plain)
					t.Cleanup(p.Exit)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					wait, s, _ := call(ctx, t, p)
					ended := make(chan error)
					go func() { ended <- wait() }()
					synctest.Wait() // until it waits
					require.NoError(t, end.end(m, p, s, cancel))
					require.ErrorIs(t, <-ended, end.err)
				})
			})
		}
	}
	t.Run("send stream/peer's close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := machinetest.New(t).Process("alice", machine.Plain)
			t.Cleanup(p.Exit)
			wait, _, peer := calls["send stream"](context.Background(), t, p)
			ended := make(chan error)
			go func() { ended <- wait() }()
			synctest.Wait()
			require.NoError(t, peer.Close())
			require.ErrorIs(t, <-ended, reservation.ErrNotConnected)
		})
	})
	t.Run("receive stream/listener's close", func(t *testing.T) {
		p := machinetest.New(t).Process("alice", machine.Plain)
		t.Cleanup(p.Exit)
		listener := openBound(t, p, machine.TCP, "127.0.0.1:6000", noOption)
		require.NoError(t, listener.Listen(1))
		client := openBound(t, p, machine.TCP, "127.0.0.1:5000", noOption)
		require.NoError(t, client.Connect(t.Context(), netip.MustParseAddrPort("127.0.0.1:6000")))
		require.NoError(t, listener.Close(), "nobody has accepted the connection")
		n, _, err := client.Receive(t.Context(), make([]byte, 1))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestSocketCallsOutOfOrder(t *testing.T) {
	p := machinetest.New(t).Process("alice", machine.Plain)
	defer p.Exit()
	ctx := t.Context()
	v4 := netip.MustParseAddrPort("127.0.0.1:6000")
	_, err := p.OpenSocket(5, machine.UDP)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	_, err = p.OpenSocket(reservation.IPv4, 0)
	require.ErrorIs(t, err, reservation.ErrInvalid)
	open := func(family reservation.Family, protocol machine.Protocol) reservation.NetworkSocket {
		s, err := p.OpenSocket(family, protocol)
		require.NoError(t, err)
		return s
	}
	udp, tcp, v6 := open(reservation.IPv4, machine.UDP), open(reservation.IPv4, machine.TCP), open(reservation.IPv6, machine.UDP)

	require.ErrorIs(t, udp.SetOptions(reservation.SocketOptions{ReuseAddress: true, Exclusive: true}), reservation.ErrInvalid)
	require.ErrorIs(t, udp.SetOptions(dual), reservation.ErrInvalid)
	require.ErrorIs(t, udp.Bind(noPeer), reservation.ErrInvalid)
	require.ErrorIs(t, udp.Bind(netip.MustParseAddrPort("127.0.0.1:0")), reservation.ErrInvalid)
	require.ErrorIs(t, udp.Bind(netip.MustParseAddrPort("[::1]:5000")), reservation.ErrInvalid)
	require.ErrorIs(t, udp.Bind(netip.MustParseAddrPort("198.51.100.1:5000")), reservation.ErrAddress)
	require.ErrorIs(t, udp.Bind(netip.MustParseAddrPort("224.0.0.1:5000")), reservation.ErrAddress)
	require.ErrorIs(t, v6.Bind(netip.MustParseAddrPort("127.0.0.1:5000")), reservation.ErrInvalid)
	require.ErrorIs(t, v6.Bind(netip.MustParseAddrPort("[::ffff:127.0.0.1]:5000")), reservation.ErrAddress)
	require.ErrorIs(t, v6.Bind(netip.MustParseAddrPort("[fe80::1%eth0]:5000")), reservation.ErrAddress)

	require.ErrorIs(t, udp.Connect(ctx, v4), reservation.ErrState)
	require.ErrorIs(t, tcp.Connect(ctx, v4), reservation.ErrState)
	_, err = udp.Send(ctx, nil, v4)
	require.ErrorIs(t, err, reservation.ErrState)
	_, err = tcp.Send(ctx, nil, v4)
	require.ErrorIs(t, err, reservation.ErrNotConnected)
	_, _, err = udp.Receive(ctx, nil)
	require.ErrorIs(t, err, reservation.ErrState)
	_, _, err = tcp.Receive(ctx, nil)
	require.ErrorIs(t, err, reservation.ErrNotConnected)
	require.ErrorIs(t, udp.Listen(1), reservation.ErrUnsupported)
	_, err = udp.Accept(ctx)
	require.ErrorIs(t, err, reservation.ErrUnsupported)
	require.ErrorIs(t, tcp.Listen(1), reservation.ErrState)
	_, err = tcp.Accept(ctx)
	require.ErrorIs(t, err, reservation.ErrState)

	require.NoError(t, udp.Bind(netip.MustParseAddrPort("127.0.0.1:5000")))
	require.NoError(t, tcp.Bind(netip.MustParseAddrPort("127.0.0.1:5000")))
	require.ErrorIs(t, udp.Bind(netip.MustParseAddrPort("127.0.0.1:5001")), reservation.ErrState)
	require.ErrorIs(t, udp.SetOptions(reservation.SocketOptions{ReuseAddress: true}), reservation.ErrState)
	for _, nobody := range []string{"127.0.0.1:0", "0.0.0.0:6000"} {
		require.ErrorIs(t, udp.Connect(ctx, netip.MustParseAddrPort(nobody)), reservation.ErrAddress)
		_, err = udp.Send(ctx, nil, netip.MustParseAddrPort(nobody))
		require.ErrorIs(t, err, reservation.ErrAddress)
	}
	require.ErrorIs(t, udp.Connect(done(), v4), context.Canceled)
	require.ErrorIs(t, tcp.Connect(ctx, noPeer), reservation.ErrInvalid)
	require.ErrorIs(t, tcp.Connect(ctx, v4), reservation.ErrRefused)
	require.ErrorIs(t, tcp.Connect(ctx, netip.MustParseAddrPort("198.51.100.1:80")), reservation.ErrRefused)
	send(t, udp, "lost", "198.51.100.1:80")
	require.NoError(t, tcp.Listen(-1))
	require.NoError(t, tcp.Listen(1<<30))
	require.ErrorIs(t, tcp.Connect(ctx, v4), reservation.ErrState)
	client, _ := connectTo(t, p, tcp)
	require.ErrorIs(t, client.Listen(1), reservation.ErrState)

	for _, s := range []reservation.NetworkSocket{udp, tcp} {
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.SetOptions(noOption), reservation.ErrClosed)
		require.ErrorIs(t, s.Bind(v4), reservation.ErrClosed)
		require.ErrorIs(t, s.Connect(ctx, v4), reservation.ErrClosed)
		require.ErrorIs(t, s.Listen(1), reservation.ErrClosed)
		_, err = s.Accept(ctx)
		require.ErrorIs(t, err, reservation.ErrClosed)
		_, err = s.Send(ctx, nil, v4)
		require.ErrorIs(t, err, reservation.ErrClosed)
		_, _, err = s.Receive(ctx, nil)
		require.ErrorIs(t, err, reservation.ErrClosed)
	}
}

// connectTo connects a new socket to a listener.
func connectTo(t *testing.T, p *machine.Process, listener reservation.NetworkSocket) (client, server reservation.NetworkSocket) {
	t.Helper()
	client = openBound(t, p, machine.TCP, "127.0.0.1:5999", noOption)
	require.NoError(t, client.Connect(t.Context(), listener.LocalAddress()))
	server, err := listener.Accept(t.Context())
	require.NoError(t, err)
	return client, server
}

// The port of a connection that this side closed first stays in use for a while.
func TestTimeWait(t *testing.T) {
	m := machinetest.NewFrom(t, machine.Config{TimeWait: 2 * time.Minute})
	p := m.Process("alice", machine.Elevated)
	defer p.Exit()
	client, server := connect(t, p)
	require.NoError(t, client.Close())
	require.NoError(t, server.Close())
	create := func() error {
		_, err := p.CreatePersistent(t.Context(), machine.TCP, pool.MustParseRange("5000"), "")
		return err
	}
	err := create()
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, "TIME_WAIT")
	require.Contains(t, dump(t, m), "socket tcp 5000 waits after a connection\n")
	again := openBound(t, p, machine.TCP, "127.0.0.1:5000", noOption) // a bind may have it
	require.NoError(t, again.Close())
	m.Advance(2*time.Minute - 1)
	require.ErrorIs(t, create(), reservation.ErrInUse)
	m.Advance(1)
	require.NoError(t, create())
}

// Of a process that exits, the end of a connection that was opened first closes first and waits.
func TestExitClosesInOrder(t *testing.T) {
	for range 20 {
		m := machinetest.NewFrom(t, machine.Config{TimeWait: time.Minute})
		p := m.Process("alice", machine.Plain)
		connect(t, p)
		p.Exit()
		require.Contains(t, dump(t, m), "\nsocket tcp 5000 waits after a connection\n")
		require.NotContains(t, dump(t, m), "tcp 6000")
	}
}
