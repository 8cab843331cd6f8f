//go:build unix

package supervise

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMessagesArriveWithTheirDescriptors(t *testing.T) {
	ours, theirs, err := newChannel()
	require.NoError(t, err)
	defer theirs.close()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, ours.send(filterListens, 1<<63+1, int(writer.Fd())))
	require.NoError(t, ours.send(launcherExecute, 0, -1))
	require.NoError(t, writer.Close())

	told, descriptor, err := theirs.receive()
	require.NoError(t, err)
	require.Equal(t, message{kind: filterListens, value: 1<<63 + 1}, told)
	flags, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.Equal(t, unix.FD_CLOEXEC, flags)
	_, err = unix.Write(descriptor, []byte("x"))
	require.NoError(t, err)
	require.NoError(t, unix.Close(descriptor))
	sent, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, "x", string(sent))

	told, descriptor, err = theirs.receive()
	require.NoError(t, err)
	require.Equal(t, message{kind: launcherExecute}, told)
	require.Equal(t, -1, descriptor)

	require.NoError(t, theirs.setPatience(time.Millisecond))
	_, _, err = theirs.receive()
	require.ErrorIs(t, err, unix.EAGAIN)

	_, err = unix.Write(int(ours), []byte("short"))
	require.NoError(t, err)
	_, _, err = theirs.receive()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	ours.close()
	_, _, err = theirs.receive()
	require.ErrorIs(t, err, io.EOF)
}
