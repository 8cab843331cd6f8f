package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"github.com/berthkit/berth/pool"
)

// The ports of a helper that has a network to itself: a thousand, above every block that consul's
// freeport may seize then. The prober's port is beside them.
var ownPorts = pool.MustParseRange("50000-50999")

const ownProber = 49999

// errNoOwnNetwork is a system that lets nobody, or not us, have and furnish a network.
var errNoOwnNetwork = fmt.Errorf("no network of its own: %w", errors.ErrUnsupported)

// portSettings is the first request to a helper of group "udp-port".
type portSettings struct {
	Peer       string   `json:"peer"`
	Work       portWork `json:"work"`
	OwnNetwork bool     `json:"ownNetwork"`
	Helper     []string `json:"helper"` // command line, for the neighbour
	Directory  string   `json:"directory"`
}

// A portRequest is a request to a helper of group "udp-port": Settings once, then operations.
type portRequest struct {
	Settings   *portSettings `json:"settings,omitempty"`
	Operations int           `json:"operations,omitempty"`
}

type portAnswer struct {
	fault
	NoNetwork   bool   `json:"noNetwork,omitempty"` // the fault is that the network cannot be furnished
	Nanoseconds int64  `json:"nanoseconds"`
	Attempts    int    `json:"attempts"`
	Successes   int    `json:"successes"`
	Failure     string `json:"failure,omitempty"` // what the first attempt that failed said
}

// runPorts is the helper's own side.
func runPorts(ctx context.Context, peers []Peer, stdin io.Reader, stdout io.Writer) error {
	scene := new(scene)
	defer func() { _ = scene.Close() }()
	return serve(ctx, stdin, stdout, func(ctx context.Context, request portRequest) portAnswer {
		var answer portAnswer
		var err error
		if request.Settings != nil {
			err = scene.prepare(ctx, peers, request.Settings)
		} else {
			answer, err = scene.run(ctx, request.Operations)
		}
		if err != nil {
			answer.Fault = err.Error()
			answer.NoNetwork = errors.Is(err, errNoOwnNetwork)
		}
		return answer
	})
}

// A scene is a peer among ports of which a neighbour has some.
type scene struct {
	source    *Source
	neighbour *neighbour
	prober    *net.UDPConn    // sends to the sockets that the peer gives
	strangers map[uint16]bool // the ports that the neighbour has for good
	thief     bool
}

// prepare opens the peer and lets the neighbour take its share of the ports.
func (s *scene) prepare(ctx context.Context, peers []Peer, settings *portSettings) error {
	i := slices.IndexFunc(peers, func(peer Peer) bool { return peer.Name == settings.Peer })
	if i < 0 {
		return fmt.Errorf("no peer is called %q", settings.Peer)
	}
	peer := peers[i]
	s.thief = settings.Work.Thief
	var probe uint16
	if settings.OwnNetwork {
		if err := furnishNetwork(ownPorts); err != nil {
			return fmt.Errorf("%w: %w", errNoOwnNetwork, err)
		}
		probe = ownProber
	}
	var err error
	if s.prober, err = listenLoopback(probe); err != nil {
		return err
	}
	if s.neighbour, err = newNeighbour(settings.Helper); err != nil {
		return err
	}
	if peer.Draws == OwnPorts {
		if s.source, err = peer.Open(ctx, settings.Directory, pool.Range{}); err != nil {
			return err
		}
		return s.fill(ctx, s.source.Ports, settings.Work.Fill)
	}
	ports := ownPorts
	if !settings.OwnNetwork {
		if ports, err = s.findStretch(ctx); err != nil {
			return err
		}
	}
	if err := s.fill(ctx, ports, settings.Work.Fill); err != nil {
		return err
	}
	s.source, err = peer.Open(ctx, settings.Directory, ports)
	return err
}

// findStretch returns as many ports as ownPorts has that nobody else on this computer has bound: the
// neighbour could take them all.
func (s *scene) findStretch(ctx context.Context) (pool.Range, error) {
	const tries, lowest, highest = 100, 10000, 32000 // below where systems let their kernels choose
	for range tries {
		stretch, err := pool.RangeFrom(uint16(lowest+rand.IntN(highest-lowest)), ownPorts.Count())
		if err != nil {
			return pool.Range{}, err
		}
		ports := portsOf(stretch)
		refused, err := s.neighbour.take(ctx, ports...)
		if err != nil {
			return pool.Range{}, err
		}
		if err := s.neighbour.drop(ctx, ports...); err != nil {
			return pool.Range{}, err
		}
		if len(refused) == 0 {
			return stretch, nil
		}
	}
	return pool.Range{}, fmt.Errorf("no %d free ports in a row were found in %d tries", ownPorts.Count(), tries)
}

// fill lets the neighbour take percent of the ports, chosen at random but always the same ones.
func (s *scene) fill(ctx context.Context, r pool.Range, percent int) error {
	ports := portsOf(r)
	random := rand.New(rand.NewPCG(uint64(percent), 1))
	random.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
	ports = ports[:len(ports)*percent/100]
	refused, err := s.neighbour.take(ctx, ports...)
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		return fmt.Errorf("others have ports %v that were free a moment ago", refused)
	}
	s.strangers = make(map[uint16]bool, len(ports))
	for _, port := range ports {
		s.strangers[port] = true
	}
	return nil
}

// run gets and closes ports, one after the other.
func (s *scene) run(ctx context.Context, operations int) (portAnswer, error) {
	var answer portAnswer
	var watch stopwatch
	for ctx.Err() == nil && answer.Attempts < operations {
		err := s.attempt(ctx, &watch)
		answer.Attempts++
		switch {
		case err == nil:
			answer.Successes++
		case answer.Failure == "":
			answer.Failure = err.Error()
		}
	}
	answer.Nanoseconds = watch.total.Nanoseconds()
	return answer, ctx.Err()
}

// attempt gets one port, checks it and closes it. The watch runs while the peer is at work.
func (s *scene) attempt(ctx context.Context, watch *stopwatch) error {
	var loot uint16
	var thiefErr error
	chosen := func(port uint16) {
		if !s.thief {
			return
		}
		watch.stop()
		defer watch.start()
		loot = port
		_, thiefErr = s.neighbour.take(ctx, port)
	}
	watch.start()
	conn, err := s.source.Get(ctx, chosen)
	watch.stop()
	if err == nil {
		err = s.check(conn)
		watch.start()
		closeErr := conn.Close()
		watch.stop()
		err = errors.Join(err, closeErr)
	}
	if loot != 0 {
		err = errors.Join(err, thiefErr, s.neighbour.drop(ctx, loot))
	}
	return err
}

// check reports whether conn has a port to itself: none of the neighbour's, and what is sent there arrives.
func (s *scene) check(conn net.PacketConn) error {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return fmt.Errorf("the socket is not bound to a UDP address but to %v", conn.LocalAddr())
	}
	if s.strangers[uint16(local.Port)] {
		return fmt.Errorf("port %d is somebody else's", local.Port)
	}
	sent := [2]byte{byte(local.Port >> 8), byte(local.Port)}
	if _, err := s.prober.WriteToUDP(sent[:], &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: local.Port}); err != nil {
		return fmt.Errorf("send to port %d: %w", local.Port, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	var received [3]byte
	n, from, err := conn.ReadFrom(received[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("what was sent to port %d did not arrive: somebody else has it too", local.Port)
	case err != nil:
		return fmt.Errorf("receive on port %d: %w", local.Port, err)
	case string(received[:n]) != string(sent[:]) || from.String() != s.prober.LocalAddr().String():
		return fmt.Errorf("port %d received % x from %v", local.Port, received[:n], from)
	}
	return nil
}

// Close closes whatever prepare has opened.
func (s *scene) Close() error {
	var err error
	if s.source != nil && s.source.Close != nil {
		err = s.source.Close()
	}
	if s.neighbour != nil {
		err = errors.Join(err, s.neighbour.Close())
	}
	if s.prober != nil {
		err = errors.Join(err, s.prober.Close())
	}
	return err
}

func portsOf(r pool.Range) []uint16 {
	ports := make([]uint16, r.Count())
	for i := range ports {
		ports[i] = r.First() + uint16(i)
	}
	return ports
}

// A stopwatch adds up the time between each start and the stop that follows.
type stopwatch struct {
	total   time.Duration
	started time.Time
}

func (w *stopwatch) start() { w.started = time.Now() }
func (w *stopwatch) stop()  { w.total += time.Since(w.started) }
