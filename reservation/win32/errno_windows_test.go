package win32_test

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation/win32"
)

func TestErrnoIsTheSystems(t *testing.T) {
	require.ErrorIs(t, win32.WSAEACCES, syscall.WSAEACCES)
	require.ErrorIs(t, win32.ERROR_ACCESS_DENIED, syscall.ERROR_ACCESS_DENIED)
	require.ErrorIs(t, win32.ERROR_ALREADY_EXISTS, fs.ErrExist)
	require.False(t, errors.Is(win32.WSAEACCES, syscall.ERROR_ACCESS_DENIED))
}

// The texts are those of FormatMessage, where the English ones are installed.
func TestErrnoSaysWhatTheSystemSays(t *testing.T) {
	if got := syscall.Errno(5).Error(); got != "Access is denied." {
		t.Skipf("this Windows has no English texts: it says %q for 5", got)
	}
	for code, want := range documented(t) {
		require.Equal(t, syscall.Errno(code).Error(), want[1], want[0])
	}
}
