package iphlpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// These tests do what published programs do with the functions, call for call.

// microsoft/Windows-driver-samples, WFPSampler: htons, lookup (1168 is information), create; the
// token variable is 0 after a failure because its owner zeroed it; associate, bind; delete, where
// 1168 counts as success.
func TestClientWFPSampler(t *testing.T) {
	c, ctx := newComputer(t, reservation.Config{}), t.Context()
	dll := iphlpapi.New(c.admin)
	start, count := win32.Htons(50000), uint16(8)

	var token uint64
	require.EqualValues(t, win32.ERROR_NOT_FOUND, dll.LookupPersistentUdpPortReservation(start, count, &token))
	require.Zero(t, token)
	require.Zero(t, dll.CreatePersistentUdpPortReservation(start, count, &token))
	created := token
	require.Zero(t, dll.LookupPersistentUdpPortReservation(start, count, &token))
	require.Equal(t, created, token)

	socket, err := c.admin.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	_, err = socket.Bind(ctx, 50003, nil)
	require.ErrorIs(t, err, reservation.ErrDenied, "a socket without the token may not")
	require.NoError(t, socket.Associate(ctx, reservation.Token(token)))
	port, err := socket.Bind(ctx, 50003, nil)
	require.NoError(t, err)
	require.EqualValues(t, 50003, port)

	require.Zero(t, dll.DeletePersistentUdpPortReservation(start, count))
	require.EqualValues(t, win32.ERROR_NOT_FOUND, dll.DeletePersistentUdpPortReservation(start, count))
}

// dahall/Vanara's tests, run on real Windows: create, lookup gives the same token, delete. They do
// not swap the bytes of 5000, which is 0x1388, and so reserve the 20 ports from 0x8813 on: 34835-34854.
func TestClientVanara(t *testing.T) {
	c, ctx := newComputer(t, reservation.Config{}), t.Context()
	const unswapped = 5000
	if win32.Ntohs(unswapped) != 34835 {
		t.Skip("the slip has this effect on a little-endian processor, as all that Windows runs on are")
	}
	for protocol, call := range functionsOf(iphlpapi.New(c.admin)) {
		var created, found uint64
		require.Zero(t, call.create(unswapped, 20, &created))
		require.Zero(t, call.lookup(unswapped, 20, &found))
		require.Equal(t, created, found)
		blocks, err := c.admin.List(ctx, protocol)
		require.NoError(t, err)
		require.Len(t, blocks, 1)
		require.Equal(t, pool.MustParseRange("34835-34854"), blocks[0].Range)
		require.Zero(t, call.delete(unswapped, 20))
	}
}

// The WinForms tool ExcludedPortRange: HostToNetworkOrder(start), count = end-start+1; any code but 0
// is shown as "not an administrator, or already done".
func TestClientExcludedPortRange(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	const first, last = 50000, 50059
	start, count := win32.Htons(first), uint16(last-first+1)
	for _, protocol := range pool.Protocols() {
		user, admin := functionsOf(iphlpapi.New(c.user))[protocol], functionsOf(iphlpapi.New(c.admin))[protocol]
		var token uint64
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, user.create(start, count, &token))
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, user.delete(start, count))
		require.EqualValues(t, win32.ERROR_NOT_FOUND, admin.delete(start, count))
		require.Zero(t, admin.create(start, count, &token))
		require.EqualValues(t, win32.ERROR_SHARING_VIOLATION, admin.create(start, count, &token))
		require.Zero(t, admin.delete(start, count))
		require.EqualValues(t, win32.ERROR_NOT_FOUND, admin.delete(start, count))
	}
}

// Cilium's Windows agent believes that StartPort 0 lets the system choose. It does so for runtime
// reservations alone. (Its control codes are a matter of package sockets/winsock.)
func TestClientCilium(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	token := unset
	code := iphlpapi.New(c.admin).CreatePersistentUdpPortReservation(0, 64, &token)
	require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, code)
	require.Equal(t, unset, token)
}

// A service that Microsoft's pages have in mind: it creates once, looks its token up at every start
// because "the token may change each time the system is restarted", and binds with it.
func TestClientAcrossRestarts(t *testing.T) {
	c, ctx := newComputer(t, reservation.Config{}), t.Context()
	start, count := win32.Htons(50000), uint16(10)
	var monday uint64
	require.Zero(t, iphlpapi.New(c.admin).CreatePersistentTcpPortReservation(start, count, &monday))
	require.NoError(t, c.host.Close())

	host, err := reservation.New(ctx, reservation.Config{Journal: c.journal.Reopen(), BootID: "tuesday"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	service := host.Process(reservation.Caller{Elevated: true})
	var tuesday uint64
	require.Zero(t, iphlpapi.New(service).LookupPersistentTcpPortReservation(start, count, &tuesday))
	require.NotEqual(t, monday, tuesday)
	socket, err := service.Open(ctx, reservation.TCP)
	require.NoError(t, err)
	stale := socket.Associate(ctx, reservation.Token(monday))
	require.ErrorIs(t, stale, reservation.ErrTokenStale)
	require.Equal(t, win32.WSAEINVAL, win32.WinsockErrno(stale))
	require.NoError(t, socket.Associate(ctx, reservation.Token(tuesday)))
	port, err := socket.Bind(ctx, 0, nil)
	require.NoError(t, err)
	require.EqualValues(t, 50000, port)
}
