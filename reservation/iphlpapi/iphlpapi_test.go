package iphlpapi_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// A computer is an engine whose journal and sockets the test controls.
type computer struct {
	host    *reservation.Host
	journal *journal
	admin   *reservation.Process // elevated
	user    *reservation.Process
}

// A journal fails when it is told to.
type journal struct {
	*reservation.MemoryJournal
	failure error
}

func (j *journal) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	if j.failure != nil {
		return reservation.Revision{}, j.failure
	}
	return j.MemoryJournal.Commit(ctx, base, edits)
}

// strangers are the ports that other programs have bound.
type strangers map[reservation.Protocol]uint16

func (s strangers) InUse(_ context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	if port := s[protocol]; within.Contains(port) {
		return []uint16{port}, nil
	}
	return nil, nil
}

func (s strangers) Holders(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]reservation.Holder, error) {
	ports, err := s.InUse(ctx, protocol, within)
	var holders []reservation.Holder
	for _, port := range ports {
		holders = append(holders, reservation.Holder{Port: port, PID: 4})
	}
	return holders, err
}

func newComputer(tb testing.TB, config reservation.Config) *computer {
	tb.Helper()
	c := &computer{journal: &journal{MemoryJournal: reservation.NewMemoryJournal()}}
	config.Journal, config.BootID = c.journal, "monday"
	var err error
	c.host, err = reservation.New(tb.Context(), config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.host.Close()) })
	c.admin = c.host.Process(reservation.Caller{Elevated: true})
	c.user = c.host.Process(reservation.Caller{})
	return c
}

// The functions of one protocol, so that each test is written once.
type functions struct {
	create, lookup func(StartPort, NumberOfPorts uint16, Token *uint64) uint32
	delete         func(StartPort, NumberOfPorts uint16) uint32
}

func functionsOf(dll iphlpapi.Functions) map[reservation.Protocol]functions {
	return map[reservation.Protocol]functions{
		reservation.TCP: {dll.CreatePersistentTcpPortReservation, dll.LookupPersistentTcpPortReservation, dll.DeletePersistentTcpPortReservation},
		reservation.UDP: {dll.CreatePersistentUdpPortReservation, dll.LookupPersistentUdpPortReservation, dll.DeletePersistentUdpPortReservation},
	}
}

// unset is what a token variable holds before a call; a call that fails must leave it there.
const unset uint64 = 0xDEADBEEF

// Every code of Microsoft's tables, provoked through every function that returns it.
func TestCodes(t *testing.T) {
	const admin, user = true, false
	for _, c := range []struct {
		name     string
		function string
		elevated bool
		first    uint16 // host order
		count    uint16
		want     win32.Errno
	}{
		{"a free block", "create", admin, 41000, 10, win32.NO_ERROR},
		{"the last port", "create", admin, 65535, 1, win32.NO_ERROR},
		{"a well-known port", "create", admin, 1, 1, win32.NO_ERROR},
		{"beside a block", "create", admin, 40010, 1, win32.NO_ERROR},
		{"the same block twice", "create", admin, 40000, 10, win32.ERROR_SHARING_VIOLATION},
		{"a part of a block", "create", admin, 40003, 2, win32.ERROR_SHARING_VIOLATION},
		{"across the end of a block", "create", admin, 40009, 10, win32.ERROR_SHARING_VIOLATION},
		{"all ports", "create", admin, 1, 65535, win32.ERROR_SHARING_VIOLATION},
		{"over a runtime reservation", "create", admin, 42000, 4, win32.ERROR_SHARING_VIOLATION},
		{"over an exclusion", "create", admin, 43000, 4, win32.ERROR_SHARING_VIOLATION},
		{"over a port that this engine has bound", "create", admin, 44000, 4, win32.ERROR_SHARING_VIOLATION},
		{"over a port that a stranger has bound", "create", admin, 45000, 4, win32.ERROR_SHARING_VIOLATION},
		{"not elevated", "create", user, 41000, 10, win32.ERROR_ACCESS_DENIED},
		{"StartPort 0 is no wildcard", "create", admin, 0, 10, win32.ERROR_INVALID_PARAMETER},
		{"no ports", "create", admin, 41000, 0, win32.ERROR_INVALID_PARAMETER},
		{"past the top", "create", admin, 65535, 2, win32.ERROR_INVALID_PARAMETER},
		{"past the top by 16 bits", "create", admin, 65535, 65535, win32.ERROR_INVALID_PARAMETER},
		{"arguments before privilege", "create", user, 0, 10, win32.ERROR_INVALID_PARAMETER},

		{"a block", "lookup", admin, 40000, 10, win32.NO_ERROR},
		{"not elevated", "lookup", user, 40000, 10, win32.NO_ERROR},
		{"a part of a block", "lookup", admin, 40000, 9, win32.ERROR_NOT_FOUND},
		{"more than a block", "lookup", admin, 40000, 11, win32.ERROR_NOT_FOUND},
		{"free ports", "lookup", admin, 41000, 10, win32.ERROR_NOT_FOUND},
		{"a runtime reservation", "lookup", admin, 42000, 4, win32.ERROR_NOT_FOUND},
		{"an exclusion", "lookup", admin, 43000, 4, win32.ERROR_NOT_FOUND},
		{"StartPort 0", "lookup", user, 0, 10, win32.ERROR_INVALID_PARAMETER},
		{"no ports", "lookup", user, 40000, 0, win32.ERROR_INVALID_PARAMETER},
		{"past the top", "lookup", user, 65535, 2, win32.ERROR_INVALID_PARAMETER},

		{"a block", "delete", admin, 40000, 10, win32.NO_ERROR},
		{"not elevated", "delete", user, 40000, 10, win32.ERROR_ACCESS_DENIED},
		{"a part of a block", "delete", admin, 40000, 9, win32.ERROR_NOT_FOUND},
		{"more than a block", "delete", admin, 39999, 11, win32.ERROR_NOT_FOUND},
		{"free ports", "delete", admin, 41000, 10, win32.ERROR_NOT_FOUND},
		{"a runtime reservation", "delete", admin, 42000, 4, win32.ERROR_NOT_FOUND},
		{"an exclusion", "delete", admin, 43000, 4, win32.ERROR_NOT_FOUND},
		{"StartPort 0", "delete", admin, 0, 10, win32.ERROR_INVALID_PARAMETER},
		{"no ports", "delete", admin, 40000, 0, win32.ERROR_INVALID_PARAMETER},
		{"past the top", "delete", admin, 65535, 2, win32.ERROR_INVALID_PARAMETER},
		{"arguments before privilege", "delete", user, 40000, 0, win32.ERROR_INVALID_PARAMETER},
	} {
		for _, protocol := range pool.Protocols() {
			t.Run(c.function+" "+protocol.String()+" "+c.name, func(t *testing.T) {
				computer := occupiedComputer(t, protocol)
				process := computer.user
				if c.elevated {
					process = computer.admin
				}
				call, start, token := functionsOf(iphlpapi.New(process))[protocol], win32.Htons(c.first), unset
				before, err := computer.admin.List(t.Context(), 0)
				require.NoError(t, err)
				var got uint32
				switch c.function {
				case "create":
					got = call.create(start, c.count, &token)
				case "lookup":
					got = call.lookup(start, c.count, &token)
				case "delete":
					got = call.delete(start, c.count)
				}
				require.Equal(t, c.want.Name(), win32.Errno(got).Name())
				if c.want != win32.NO_ERROR {
					require.Equal(t, unset, token)
					after, err := computer.admin.List(t.Context(), 0)
					require.NoError(t, err)
					require.Equal(t, before, after, "a call that fails changes nothing")
				} else if c.function != "delete" {
					require.NotContains(t, []uint64{0, unset}, token)
				}
			})
		}
	}
}

// occupiedComputer has something of every kind on the ports of one protocol, and nothing on the other's.
func occupiedComputer(t *testing.T, protocol reservation.Protocol) *computer {
	t.Helper()
	c, ctx := newComputer(t, reservation.Config{Ports: strangers{protocol: 45003}}), t.Context()
	_, err := c.admin.CreatePersistent(ctx, protocol, pool.MustParseRange("40000+10"), "")
	require.NoError(t, err)
	socket, err := c.user.Open(ctx, protocol)
	require.NoError(t, err)
	_, err = socket.Acquire(ctx, reservation.Request{First: 42000, Count: 4})
	require.NoError(t, err)
	require.NoError(t, c.admin.AddExclusion(ctx, protocol, pool.MustParseRange("43000+4"), reservation.PersistentStore))
	_, err = socket.Bind(ctx, 44003, nil)
	require.NoError(t, err)
	return c
}

func TestProtocolsAreApart(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	dll := iphlpapi.New(c.admin)
	var tcp, udp uint64
	require.Zero(t, dll.CreatePersistentTcpPortReservation(win32.Htons(50000), 100, &tcp))
	require.EqualValues(t, win32.ERROR_NOT_FOUND, dll.LookupPersistentUdpPortReservation(win32.Htons(50000), 100, &udp))
	require.EqualValues(t, win32.ERROR_NOT_FOUND, dll.DeletePersistentUdpPortReservation(win32.Htons(50000), 100))
	require.Zero(t, dll.CreatePersistentUdpPortReservation(win32.Htons(50000), 100, &udp))
	require.NotEqual(t, tcp, udp)
	require.Zero(t, dll.DeletePersistentTcpPortReservation(win32.Htons(50000), 100))
	require.Zero(t, dll.LookupPersistentUdpPortReservation(win32.Htons(50000), 100, &udp))
}

func TestNilToken(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	for _, process := range []*reservation.Process{c.admin, c.user} {
		for _, call := range functionsOf(iphlpapi.New(process)) {
			require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.create(win32.Htons(50000), 1, nil))
			require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.lookup(win32.Htons(50000), 1, nil))
		}
	}
	blocks, err := c.admin.List(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, blocks)
}

// Which complaint comes first is open (A26), so it is the engine's policy that decides here too.
func TestPrivilegeFirstIfThePolicySaysSo(t *testing.T) {
	policy := reservation.DefaultPolicy()
	policy.ArgumentsFirst = false
	c := newComputer(t, reservation.Config{Policy: &policy})
	for _, call := range functionsOf(iphlpapi.New(c.user)) {
		token := unset
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, call.create(0, 1, &token))
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, call.create(win32.Htons(50000), 1, nil))
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, call.delete(win32.Htons(65535), 2))
		require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.lookup(0, 1, &token), "everybody may look up")
		require.Equal(t, unset, token)
	}
}

func TestCodesOfFailures(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	token := unset
	for _, call := range functionsOf(iphlpapi.New(c.admin)) {
		c.journal.failure = errors.New("no space left on device")
		require.EqualValues(t, win32.ERROR_GEN_FAILURE, call.create(win32.Htons(50000), 1, &token))
		c.journal.failure = reservation.ErrDenied
		require.EqualValues(t, win32.ERROR_ACCESS_DENIED, call.create(win32.Htons(50000), 1, &token), "a store that only others may write")
		c.journal.failure = nil
		require.Zero(t, call.create(win32.Htons(50000), 1, new(uint64)))
		c.journal.failure = errors.New("no space left on device")
		require.EqualValues(t, win32.ERROR_GEN_FAILURE, call.delete(win32.Htons(50000), 1))
		require.Zero(t, call.lookup(win32.Htons(50000), 1, new(uint64)), "what was not deleted is there")
		c.journal.failure = nil
	}
	require.NoError(t, c.admin.Close())
	for name, dll := range map[win32.Errno]*iphlpapi.DLL{
		win32.ERROR_INVALID_HANDLE: iphlpapi.New(c.admin), // the process has ended
		win32.ERROR_NOT_SUPPORTED:  {},                    // there is no engine
	} {
		for _, call := range functionsOf(dll) {
			require.EqualValues(t, name, call.create(win32.Htons(50000), 1, &token))
			require.EqualValues(t, name, call.lookup(win32.Htons(50000), 1, &token))
			require.EqualValues(t, name, call.delete(win32.Htons(50000), 1))
		}
	}
	require.Equal(t, unset, token)
}

// An API that takes a block without ports does not make the door say that it was reserved.
func TestBadArgumentsFailWhateverTheEngineSays(t *testing.T) {
	for _, call := range functionsOf(iphlpapi.New(agreeable{})) {
		token := unset
		require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.create(0, 1, &token))
		require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.lookup(0, 1, &token))
		require.EqualValues(t, win32.ERROR_INVALID_PARAMETER, call.delete(0, 1))
		require.Equal(t, unset, token)
	}
}

type agreeable struct{ reservation.API }

func (agreeable) CreatePersistent(context.Context, reservation.Protocol, reservation.Range, string) (reservation.Token, error) {
	return 1, nil
}

func (agreeable) LookupPersistent(context.Context, reservation.Protocol, reservation.Range) (reservation.Token, error) {
	return 1, nil
}

func (agreeable) DeletePersistent(context.Context, reservation.Protocol, reservation.Range) error {
	return nil
}

func TestOneOfManyGetsTheBlock(t *testing.T) {
	c := newComputer(t, reservation.Config{})
	dll := iphlpapi.New(c.admin)
	var wait sync.WaitGroup
	codes := make([]uint32, 16)
	tokens := make([]uint64, len(codes))
	for i := range codes {
		wait.Go(func() {
			codes[i] = dll.CreatePersistentUdpPortReservation(win32.Htons(uint16(50000+i)), 16, &tokens[i])
		})
	}
	wait.Wait()
	won := 0
	for i, code := range codes {
		if code == 0 {
			won++
			require.NotZero(t, tokens[i])
			continue
		}
		require.EqualValues(t, win32.ERROR_SHARING_VIOLATION, code)
		require.Zero(t, tokens[i])
	}
	require.Equal(t, 1, won)
}
