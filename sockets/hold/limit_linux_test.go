package hold_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

func TestLimitOfOpenFilesIsFoundBefore(t *testing.T) {
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: before.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
	_, err := hold.New().Hold(context.Background(), pool.UDP, pool.MustParseRange("40000+256"))
	require.ErrorIs(t, err, reservation.ErrLimit)
	require.ErrorContains(t, err, "RLIMIT_NOFILE is 256")
	require.ErrorContains(t, err, "the block needs 256 more")
}

func TestDescriptorsRunOutDuringHandover(t *testing.T) {
	for _, protocol := range protocols {
		block := holdBlock(t, hold.New(), protocol, 1)
		port := block.Range().First()
		files := openFiles(t)
		for room := range 6 { // it takes one to five descriptors to hand over
			requireWithRoom(t, room, func() {
				for _, ip := range []string{"127.0.0.1", "::"} {
					socket, err := open(block, protocol.String(), ip, port)
					if err != nil {
						require.ErrorIs(t, err, reservation.ErrLimit)
						continue
					}
					require.NoError(t, block.Return(port))
					require.NoError(t, socket.Close())
				}
			})
			require.ErrorIs(t, bindPlain(protocol, "127.0.0.1", port), syscall.EADDRINUSE, "held with room for %d", room)
			require.ErrorIs(t, bindPlain(protocol, "::1", port), syscall.EADDRINUSE, "held with room for %d", room)
		}
		require.LessOrEqual(t, openFiles(t), files+1, "a port may have two guards now")
	}
}

// requireWithRoom runs f while no more than room descriptors can be opened.
func requireWithRoom(t *testing.T, room int, f func()) {
	t.Helper()
	var taken []*os.File
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 512, Max: before.Max}))
	defer func() {
		for _, file := range taken {
			require.NoError(t, file.Close())
		}
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	}()
	for {
		file, err := os.Open("/dev/null")
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			break
		}
		taken = append(taken, file)
	}
	for range room {
		require.NoError(t, taken[len(taken)-1].Close())
		taken = taken[:len(taken)-1]
	}
	f()
}

func TestPrivilegedPortIsDenied(t *testing.T) {
	if unix.Geteuid() == 0 {
		t.Skip("root may bind every port")
	}
	_, err := hold.New().Hold(t.Context(), pool.UDP, pool.RangeOf(1))
	require.ErrorIs(t, err, reservation.ErrDenied)
	var refused *reservation.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, pool.RangeOf(1), refused.Range)
}
