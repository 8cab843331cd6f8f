package inuse

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// refused is a reader that finds a wrong port and then fails, as a sandbox may make it.
func refused(_ context.Context, _ reservation.Protocol, within reservation.Range, visit visitor) error {
	visit(within.First(), 1)
	return errors.New("refused by the sandbox")
}

func TestRefusedTableFallsBackToProbe(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	port := uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	table := &Table{read: refused}

	ports, err := table.InUse(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Equal(t, []uint16{port}, ports)

	holders, err := table.Holders(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Equal(t, []reservation.Holder{{Port: port}}, holders)

	require.NoError(t, conn.Close())
	ports, err = table.InUse(t.Context(), pool.UDP, pool.RangeOf(port))
	require.NoError(t, err)
	require.Empty(t, ports, "what the refused reader found is forgotten")
}

func TestCancelStopsProbe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	table := &Table{read: func(context.Context, reservation.Protocol, reservation.Range, visitor) error {
		cancel()
		return errNoTable
	}}
	_, err := table.InUse(ctx, pool.UDP, pool.AllPorts)
	require.ErrorIs(t, err, context.Canceled)
}

// TestProbeAgreesWithTable opens sockets of both families and protocols and asks both readers.
func TestProbeAgreesWithTable(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			network := "4"
			if address[0] == '[' {
				network = "6" // a V6ONLY socket
			}
			packets, err := net.ListenPacket("udp"+network, address)
			if err != nil && network == "6" {
				t.Skipf("no IPv6 on this computer: %v", err)
			}
			require.NoError(t, err)
			defer packets.Close()
			listener, err := net.Listen("tcp"+network, address)
			require.NoError(t, err)
			defer listener.Close()

			requireBound(t, pool.UDP, uint16(packets.LocalAddr().(*net.UDPAddr).Port))
			requireBound(t, pool.TCP, uint16(listener.Addr().(*net.TCPAddr).Port))
		})
	}
}

func requireBound(t *testing.T, protocol reservation.Protocol, port uint16) {
	readers := map[string]reader{"table": readTable, "probe": probe}
	if err := TableRefusal(t.Context()); err != nil {
		t.Logf("the probe alone: %v", err)
		delete(readers, "table")
	}
	for name, read := range readers {
		var found []uint16
		err := read(t.Context(), protocol, pool.RangeOf(port), func(port uint16, _ uint32) { found = append(found, port) })
		require.NoError(t, err, name)
		require.Contains(t, found, port, "%s of %v", name, protocol)
	}
}
