package system_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/store"
)

// newStore returns the path of a store that is not there yet, below a directory that is not there
// either, and makes it the default, so that no test can touch this user's own.
func newStore(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, "state", "berth", "berth.db")
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv(system.StoreVariable, path)
	return path
}

func open(t *testing.T, options system.Options) *system.Computer {
	t.Helper()
	if options.BootID == "" {
		options.BootID = "first"
	}
	computer, err := system.Open(t.Context(), &options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, computer.Close()) })
	return computer
}

// freeBlock returns a block that nobody has right now. Nothing keeps it free, but systems do not
// assign these ports by themselves, and other tests that look for some start somewhere else.
func freeBlock(t *testing.T, computer *system.Computer, count int) reservation.Range {
	t.Helper()
	search := pool.Search{Within: pool.MustParseRange("10000-31999"), From: uint16(10000 + rand.IntN(20000))}
	r, err := computer.Free(t.Context(), reservation.UDP, count, search)
	require.NoError(t, err)
	return r
}

func TestFirstUseCreatesTheStore(t *testing.T) {
	path := newStore(t)
	computer := open(t, system.Options{})
	require.Equal(t, path, computer.StorePath())
	require.Equal(t, "first", computer.BootID())
	require.True(t, computer.IsElevated())
	require.True(t, computer.HasTokens())
	block := freeBlock(t, computer, 10)
	token, err := computer.CreatePersistent(t.Context(), reservation.UDP, block, "media")
	require.NoError(t, err)
	require.NoError(t, computer.Close())

	again := open(t, system.Options{})
	found, err := again.LookupPersistent(t.Context(), reservation.UDP, block)
	require.NoError(t, err)
	require.Equal(t, token, found)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(filepath.Dir(path))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	}
}

func TestNilOptionsUseTheSystemsBoot(t *testing.T) {
	newStore(t)
	want, err := system.BootID()
	if errors.Is(err, system.ErrBootUnknown) {
		t.Skipf("this system does not tell its boot: %v", err)
	}
	require.NoError(t, err)
	computer, err := system.Open(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, want, computer.BootID())
	require.NoError(t, computer.Close())
	require.NoError(t, computer.Close(), "a second Close does nothing")
	_, err = computer.LookupPersistent(t.Context(), reservation.UDP, pool.RangeOf(20000))
	require.ErrorIs(t, err, reservation.ErrClosed)
}

func TestLookingCreatesNothing(t *testing.T) {
	path := newStore(t)
	computer := open(t, system.Options{ReadOnly: true})
	blocks, err := computer.List(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, blocks)
	require.False(t, computer.IsElevated())
	_, err = computer.CreatePersistent(t.Context(), reservation.UDP, freeBlock(t, computer, 1), "")
	require.ErrorIs(t, err, reservation.ErrDenied)

	_, err = system.Open(t.Context(), &system.Options{NoCreate: true, BootID: "first"})
	require.ErrorIs(t, err, store.ErrMissing)
	require.NoDirExists(t, filepath.Dir(path))
}

// Many programs may be the first to use a store: each finds or makes it, in turn.
func TestFirstUsesAtOnce(t *testing.T) {
	path := newStore(t)
	var programs sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		programs.Go(func() {
			computer, err := system.Open(t.Context(), &system.Options{BootID: "first", Wait: 20e9})
			if err == nil {
				_, err = computer.CreatePersistent(t.Context(), reservation.UDP, pool.RangeOf(uint16(1100+i)), "")
				if errors.Is(err, reservation.ErrInUse) { // by a stranger's socket
					err = nil
				}
				err = errors.Join(err, computer.Close())
			}
			errs[i] = err
		})
	}
	programs.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.FileExists(t, path)
}

// A reader takes nothing from a writer, and sees what it does.
func TestReadingBesideAWriter(t *testing.T) {
	newStore(t)
	writer := open(t, system.Options{})
	reader := open(t, system.Options{ReadOnly: true})
	require.True(t, reader.IsElevated(), "permission decides, not the mode")
	require.True(t, reader.HasTokens())

	block := freeBlock(t, writer, 10)
	token, err := writer.CreatePersistent(t.Context(), reservation.UDP, block, "")
	require.NoError(t, err)
	seen, err := reader.LookupPersistent(t.Context(), reservation.UDP, block)
	require.NoError(t, err)
	require.Equal(t, token, seen)
	endpoint, err := reader.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	require.NoError(t, endpoint.Associate(t.Context(), seen))
	require.NoError(t, endpoint.Close())
	err = reader.DeletePersistent(t.Context(), reservation.UDP, block)
	require.ErrorIs(t, err, reservation.ErrDenied)
}

// Any number of programs write one store: each respects what the others reserved, and is told of it.
func TestWritersShareTheStore(t *testing.T) {
	newStore(t)
	one, other := open(t, system.Options{}), open(t, system.Options{})
	block := freeBlock(t, one, 10)
	token, err := one.CreatePersistent(t.Context(), reservation.UDP, block, "")
	require.NoError(t, err)
	found, err := other.LookupPersistent(t.Context(), reservation.UDP, block)
	require.NoError(t, err)
	require.Equal(t, token, found)
	_, err = other.CreatePersistent(t.Context(), reservation.UDP, block, "")
	require.ErrorIs(t, err, reservation.ErrInUse)

	var told []reservation.ChangeKind
	for change, err := range other.Watch(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, block, change.Range)
		if told = append(told, change.Kind); len(told) == 2 {
			break
		}
		require.NoError(t, one.DeletePersistent(t.Context(), reservation.UDP, block))
	}
	require.Equal(t, []reservation.ChangeKind{reservation.BlockPresent, reservation.BlockRemoved}, told)
}

// On this computer a runtime reservation is known to everybody: to strangers, and to programs that
// share the store.
func TestRuntimeReservationsAreHeld(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("with a store of its own Berth holds no ports on Windows")
	}
	newStore(t)
	one, other := open(t, system.Options{}), open(t, system.Options{})
	endpoint, err := one.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	held, err := endpoint.Acquire(t.Context(), reservation.Request{Count: 4, Align: 2})
	require.NoError(t, err)
	for port := range held.Range.Ports() {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
		if err == nil {
			conn.Close()
		}
		require.Error(t, err, "port %d", port)
	}
	stranger, err := other.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	_, err = stranger.Acquire(t.Context(), reservation.Request{First: held.Range.First(), Count: 1})
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, strconv.Itoa(os.Getpid()), "who has it")
	_, err = other.CreatePersistent(t.Context(), reservation.UDP, held.Range, "")
	require.ErrorIs(t, err, reservation.ErrInUse)

	require.NoError(t, endpoint.Close())
	told, err := other.Explain(t.Context(), reservation.UDP, held.Range)
	require.NoError(t, err)
	for _, holder := range told.InUse { // somebody else may have been fast
		require.NotEqual(t, uint32(os.Getpid()), holder.PID)
	}
	require.NoError(t, stranger.Close())
}

func TestRestartChangesTokens(t *testing.T) {
	newStore(t)
	before := open(t, system.Options{})
	block := freeBlock(t, before, 2)
	old, err := before.CreatePersistent(t.Context(), reservation.UDP, block, "")
	require.NoError(t, err)
	require.NoError(t, before.Close())

	early := open(t, system.Options{ReadOnly: true, BootID: "second"})
	require.False(t, early.HasTokens(), "nobody has written since the restart")
	require.NoError(t, early.Close())

	after := open(t, system.Options{BootID: "second"})
	require.True(t, after.HasTokens())
	token, err := after.LookupPersistent(t.Context(), reservation.UDP, block)
	require.NoError(t, err)
	require.NotEqual(t, old, token)
	endpoint, err := after.Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	require.ErrorIs(t, endpoint.Associate(t.Context(), old), reservation.ErrTokenStale)
	require.NoError(t, endpoint.Associate(t.Context(), token))
	require.NoError(t, endpoint.Close())
}

func TestOpenRefuses(t *testing.T) {
	path := newStore(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := system.Open(cancelled, nil)
	require.ErrorIs(t, err, context.Canceled)

	_, err = system.Open(t.Context(), &system.Options{BootID: string(make([]byte, 256))})
	require.ErrorIs(t, err, reservation.ErrInvalid)
	require.NoDirExists(t, filepath.Dir(path))

	require.NoError(t, os.MkdirAll(path, 0o700))
	_, err = system.Open(t.Context(), &system.Options{BootID: "first"})
	require.ErrorIs(t, err, store.ErrUnsafePath)
	require.NoError(t, os.Remove(path))

	require.NoError(t, os.WriteFile(path, []byte("not a store"), 0o600))
	_, err = system.Open(t.Context(), &system.Options{BootID: "first"})
	require.ErrorIs(t, err, store.ErrDamaged)
	_, err = system.Open(t.Context(), &system.Options{BootID: "first", ReadOnly: true})
	require.ErrorIs(t, err, store.ErrDamaged)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "not a store", string(content))
}
