package system

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The codes are Microsoft's: winerror.h and winsock2.h.
func TestCodesOfWindows(t *testing.T) {
	for code, condition := range map[Code]error{
		5:     reservation.ErrDenied,
		32:    reservation.ErrInUse,
		50:    reservation.ErrUnsupported,
		87:    reservation.ErrInvalid,
		127:   reservation.ErrUnsupported,
		1168:  reservation.ErrNotFound,
		10013: reservation.ErrDenied,
		10022: reservation.ErrInvalid,
		10038: reservation.ErrClosed,
		10045: reservation.ErrUnsupported,
		10048: reservation.ErrInUse,
		10055: reservation.ErrExhausted,
	} {
		err := code.condition()
		require.ErrorIs(t, err, condition)
		var kept Code
		require.True(t, errors.As(err, &kept), "the code stays visible")
		require.Equal(t, code, kept)
	}
	require.ErrorIs(t, Code(5).condition(), fs.ErrPermission)
	require.Len(t, codeConditions, 12, "a code without a line above")

	unknown := Code(10050).condition()
	require.EqualError(t, unknown, "Windows error 10050")
}

// The bytes are those that C programs put there: network order for the port, the machine's for the rest.
func TestLayoutsOfWindows(t *testing.T) {
	require.Equal(t, [4]byte{0xCC, 0x57, 0x01, 0x00}, portRange(52311, 1))
	require.Equal(t, [4]byte{0x00, 0x00, 0x00, 0x04}, portRange(0, 1024))
	require.Equal(t, [4]byte{0x00, 0x01, 0xFF, 0xFF}, portRange(1, 65535))
	require.Equal(t, [8]byte{8, 7, 6, 5, 4, 3, 2, 1}, reservationToken(0x0102030405060708))
	require.Equal(t, uint16(0x8813), swapBytes(0x1388))

	raw := []byte{0xC3, 0x50, 100, 0, 0xAA, 0xAA, 0xAA, 0xAA, 8, 7, 6, 5, 4, 3, 2, 1}
	acquired, err := parseInstance(raw)
	require.NoError(t, err)
	require.Equal(t, pool.MustParseRange("50000+100"), acquired.Range)
	require.Equal(t, reservation.Token(0x0102030405060708), acquired.Token)

	for name, bad := range map[string][]byte{
		"nothing":        nil,
		"short":          raw[:15],
		"long":           append(append([]byte{}, raw...), 0),
		"port 0":         {0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0},
		"no ports":       {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0},
		"past the top":   {0xFF, 0xFF, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0},
		"invalid token":  {1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"all bytes zero": make([]byte, 16),
	} {
		_, err := parseInstance(bad)
		require.Error(t, err, name)
	}
}

func FuzzParseInstance(f *testing.F) {
	f.Add([]byte{0xC3, 0x50, 100, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		acquired, err := parseInstance(raw)
		if err != nil {
			return
		}
		first, count, token := acquired.Range.First(), acquired.Range.Count(), acquired.Token
		head, tail := portRange(first, count), reservationToken(token)
		require.Equal(t, raw[:4], head[:])
		require.Equal(t, raw[8:], tail[:])
	})
}
