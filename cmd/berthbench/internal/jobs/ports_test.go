package jobs

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
)

// TestSharedNetwork gets ports where no network of its own is to be had, as on other systems and in
// containers.
func TestSharedNetwork(t *testing.T) {
	for _, peer := range peers(nil) {
		t.Run(peer.Name, func(t *testing.T) {
			settings := &portSettings{Peer: peer.Name, Helper: helperLine(t), Directory: t.TempDir()}
			if peer.Draws != EphemeralPorts {
				settings.Work.Fill = 50
			}
			helper, err := startPortHelper(t.Context(), nil, settings)
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("this computer cannot do it: %v", err)
			}
			require.NoError(t, err)
			measure := &portMeasure{helper: helper, operations: 20}
			_, attempts, successes, err := measure.Sample(t.Context())
			require.NoError(t, err)
			require.Equal(t, 20, attempts)
			require.Positive(t, successes)
			require.NoError(t, measure.Close())
		})
	}
}

// TestNeighbour takes and drops ports, and is refused those that others have.
func TestNeighbour(t *testing.T) {
	ours, err := listenLoopback(0)
	require.NoError(t, err)
	defer ours.Close()
	port := uint16(ours.LocalAddr().(*net.UDPAddr).Port)

	neighbour, err := newNeighbour(helperLine(t))
	require.NoError(t, err)
	defer neighbour.Close()
	refused, err := neighbour.take(t.Context(), port)
	require.NoError(t, err)
	require.Equal(t, []uint16{port}, refused)

	require.NoError(t, ours.Close())
	refused, err = neighbour.take(t.Context(), port)
	require.NoError(t, err)
	require.Empty(t, refused)
	_, err = listenLoopback(port)
	require.True(t, isRefused(err), "%v", err)

	require.NoError(t, neighbour.drop(t.Context(), port, port))
	ours, err = listenLoopback(port)
	require.NoError(t, err)
	require.NoError(t, ours.Close())
	require.NoError(t, neighbour.Close())
	require.NoError(t, neighbour.Close())
	_, err = neighbour.take(t.Context(), port)
	require.ErrorContains(t, err, "ended")
}

// TestCheck tells a port that a peer has to itself from one that it has not.
func TestCheck(t *testing.T) {
	prober, err := listenLoopback(0)
	require.NoError(t, err)
	defer prober.Close()
	conn, err := listenLoopback(0)
	require.NoError(t, err)
	defer conn.Close()
	port := uint16(conn.LocalAddr().(*net.UDPAddr).Port)

	s := &scene{prober: prober}
	require.NoError(t, s.check(conn))
	s.strangers = map[uint16]bool{port: true}
	require.ErrorContains(t, s.check(conn), "somebody else's")
	s.strangers = nil

	_, err = prober.WriteToUDP([]byte("stale"), conn.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	require.ErrorContains(t, s.check(conn), "received")
	require.ErrorContains(t, s.check(deaf{conn}), "did not arrive")
	require.NoError(t, conn.Close())
	require.Error(t, s.check(conn))
}

// A deaf socket receives nothing, as one whose port another socket shares.
type deaf struct{ *net.UDPConn }

func (d deaf) ReadFrom(p []byte) (int, net.Addr, error) {
	_ = d.SetReadDeadline(time.Unix(1, 0))
	return d.UDPConn.ReadFrom(p[:0])
}

// TestNumbersAreGivenBack follows a number through Get and Close.
func TestNumbersAreGivenBack(t *testing.T) {
	free, err := listenLoopback(0)
	require.NoError(t, err)
	port := free.LocalAddr().(*net.UDPAddr).Port
	var chosen, back []int
	get := GetNumber(func() (int, error) { return port, nil }, func(port int) { back = append(back, port) })
	note := func(port uint16) { chosen = append(chosen, int(port)) }

	_, err = get(t.Context(), note) // taken
	require.Error(t, err)
	require.Equal(t, []int{port}, chosen)
	require.Equal(t, []int{port}, back)
	require.NoError(t, free.Close())

	conn, err := get(t.Context(), note)
	require.NoError(t, err)
	require.Len(t, back, 1)
	require.NoError(t, conn.Close())
	require.Len(t, back, 2)

	broken := errors.New("none left")
	conn, err = GetNumber(func() (int, error) { return 0, broken }, nil)(t.Context(), note)
	require.ErrorIs(t, err, broken)
	require.Nil(t, conn)
	require.Len(t, chosen, 2)
}

// TestFurtherPeers hands a peer of the caller's own to the helper's side.
func TestFurtherPeers(t *testing.T) {
	closed := false
	mine := Peer{Name: "mine", Draws: GivenPorts, Open: func(_ context.Context, _ string, ports pool.Range) (*Source, error) {
		next := int(ports.First())
		return &Source{
			Get:   GetNumber(func() (int, error) { next++; return next - 1, nil }, nil),
			Close: func() error { closed = true; return nil },
		}, nil
	}}
	s := new(scene)
	settings := &portSettings{Peer: "mine", Work: portWork{Thief: true}, Helper: helperLine(t), Directory: t.TempDir()}
	require.NoError(t, s.prepare(t.Context(), peers([]Peer{mine}), settings))
	answer, err := s.run(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 10, answer.Attempts)
	require.Zero(t, answer.Successes, "the thief has all of them")
	require.Contains(t, answer.Failure, "bind")
	require.NoError(t, s.Close())
	require.True(t, closed)
}
