package win32_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// documented returns the codes of testdata/messages.tsv, which was copied from Microsoft's "System
// Error Codes" pages: number, symbol, English text.
func documented(t *testing.T) map[win32.Errno][2]string {
	t.Helper()
	table, err := os.ReadFile("testdata/messages.tsv")
	require.NoError(t, err)
	codes := make(map[win32.Errno][2]string)
	for line := range strings.Lines(string(table)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, fields, 3)
		code, err := strconv.ParseUint(fields[0], 10, 32)
		require.NoError(t, err)
		codes[win32.Errno(code)] = [2]string{fields[1], fields[2]}
	}
	return codes
}

func TestErrnoHasMicrosoftsNamesAndTexts(t *testing.T) {
	codes := documented(t)
	for code, want := range codes {
		require.Equal(t, want[0], code.Name())
		require.Equal(t, want[1], code.Error())
		require.Equal(t, want[1], code.String())
	}
	for code := range win32.Errno(1 << 16) {
		if _, known := codes[code]; !known {
			require.Equal(t, strconv.Itoa(int(code)), code.Name())
			require.Equal(t, fmt.Sprintf("Windows error %d", uint32(code)), code.Error())
		}
	}
	require.Equal(t, "4294967295", win32.Errno(1<<32-1).Name())
}

func TestErrnoHasMicrosoftsNumbers(t *testing.T) {
	for number, code := range map[int]win32.Errno{
		0: win32.NO_ERROR, 5: win32.ERROR_ACCESS_DENIED, 6: win32.ERROR_INVALID_HANDLE, 8: win32.ERROR_NOT_ENOUGH_MEMORY,
		32: win32.ERROR_SHARING_VIOLATION, 50: win32.ERROR_NOT_SUPPORTED, 87: win32.ERROR_INVALID_PARAMETER,
		122: win32.ERROR_INSUFFICIENT_BUFFER, 995: win32.WSA_OPERATION_ABORTED, 997: win32.WSA_IO_PENDING,
		998: win32.ERROR_NOACCESS, 1168: win32.ERROR_NOT_FOUND, 1314: win32.ERROR_PRIVILEGE_NOT_HELD,
		10004: win32.WSAEINTR, 10013: win32.WSAEACCES, 10014: win32.WSAEFAULT, 10022: win32.WSAEINVAL,
		10036: win32.WSAEINPROGRESS, 10038: win32.WSAENOTSOCK, 10042: win32.WSAENOPROTOOPT, 10045: win32.WSAEOPNOTSUPP,
		10047: win32.WSAEAFNOSUPPORT, 10048: win32.WSAEADDRINUSE, 10049: win32.WSAEADDRNOTAVAIL,
		10050: win32.WSAENETDOWN, 10055: win32.WSAENOBUFS, 10093: win32.WSANOTINITIALISED,
	} {
		require.Equal(t, number, int(code), code.Name())
	}
}

func TestErrnoIsItsCondition(t *testing.T) {
	for code, condition := range map[win32.Errno]error{
		win32.ERROR_ACCESS_DENIED:     reservation.ErrDenied,
		win32.WSAEACCES:               fs.ErrPermission,
		win32.ERROR_SHARING_VIOLATION: reservation.ErrInUse,
		win32.WSAEADDRINUSE:           reservation.ErrInUse,
		win32.ERROR_NOT_FOUND:         fs.ErrNotExist,
		win32.WSAEINVAL:               reservation.ErrInvalid,
		win32.ERROR_PROC_NOT_FOUND:    errors.ErrUnsupported,
		win32.WSAENOTSOCK:             fs.ErrClosed,
	} {
		require.ErrorIs(t, code, condition, code.Name())
		require.ErrorIs(t, fmt.Errorf("wrapped: %w", code), condition, code.Name())
	}
	require.ErrorIs(t, win32.WSAEACCES, win32.WSAEACCES)
	require.NotErrorIs(t, win32.WSAEACCES, win32.ERROR_ACCESS_DENIED, "one condition, two codes")
	require.NotErrorIs(t, win32.WSAEINVAL, reservation.ErrNotFound, "the code does not tell")
	require.NoError(t, win32.ERROR_SUCCESS.Condition())
	require.NoError(t, win32.WSA_IO_PENDING.Condition())
}
