//go:build unix

package system_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

const (
	plainUser      = 65534               // nobody, on most systems; any user but root will do
	readerVariable = "BERTH_TEST_READER" // the store that TestReader reads
	blockVariable  = "BERTH_TEST_BLOCK"  // the block that is reserved in it
)

// A user who may only read a store may list and look up, and is refused the rest.
func TestPlainUserReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	// t.TempDir lies below a directory that only its owner may enter.
	directory, err := os.MkdirTemp("", "berth")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(directory)) })
	path := filepath.Join(directory, "berth.db")
	require.NoError(t, os.Chmod(directory, 0o755))
	computer := open(t, system.Options{Store: path})
	block := freeBlock(t, computer, 2)
	_, err = computer.CreatePersistent(t.Context(), reservation.UDP, block, "")
	require.NoError(t, err)
	require.NoError(t, computer.Close())
	for _, name := range []string{path, path + ".copy"} {
		require.NoError(t, os.Chmod(name, 0o644))
	}

	program := filepath.Join(directory, "system.test")
	executable, err := os.Executable()
	require.NoError(t, err)
	copyFile(t, program, executable)
	reader := exec.CommandContext(t.Context(), program, "-test.run=^TestReader$", "-test.v")
	reader.Dir = directory
	reader.Env = append(os.Environ(), readerVariable+"="+path, blockVariable+"="+block.String())
	reader.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: plainUser, Gid: plainUser}}
	output, err := reader.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "--- PASS: TestReader")
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Skipf("cannot find this program to run it as another user: %v", err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(target, source)
	require.NoError(t, err)
	require.NoError(t, target.Chmod(0o755))
	require.NoError(t, target.Close())
}

// TestReader is what TestPlainUserReads runs as another user.
func TestReader(t *testing.T) {
	path := os.Getenv(readerVariable)
	if path == "" {
		t.Skip("runs as a part of TestPlainUserReads only")
	}
	ctx, block := t.Context(), pool.MustParseRange(os.Getenv(blockVariable))
	computer, err := system.Open(ctx, &system.Options{Store: path, BootID: "first"})
	require.NoError(t, err)
	defer func() { require.NoError(t, computer.Close()) }()
	require.False(t, computer.IsElevated())
	blocks, err := computer.List(ctx, 0)
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	token, err := computer.LookupPersistent(ctx, reservation.UDP, block)
	require.NoError(t, err)

	_, err = computer.CreatePersistent(ctx, reservation.UDP, pool.RangeOf(21000), "")
	require.ErrorIs(t, err, reservation.ErrDenied)
	require.ErrorIs(t, computer.DeletePersistent(ctx, reservation.UDP, block), reservation.ErrDenied)
	require.ErrorIs(t, computer.AddExclusion(ctx, reservation.UDP, pool.RangeOf(21000), reservation.ActiveStore), reservation.ErrDenied)
	endpoint, err := computer.Open(ctx, reservation.UDP)
	require.NoError(t, err)
	require.ErrorIs(t, endpoint.Associate(ctx, token), reservation.ErrDenied)
	_, err = endpoint.Acquire(ctx, reservation.Request{Count: 2})
	require.NoError(t, err, "runtime reservations are for everybody")
	require.NoError(t, endpoint.Close())
}
