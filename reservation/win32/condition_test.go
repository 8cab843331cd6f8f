package win32_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// codes are Microsoft's numbers for each condition at each door.
var codes = map[string]struct {
	condition error
	iphlpapi  win32.Errno
	winsock   win32.Errno
}{
	"ErrInvalid":       {reservation.ErrInvalid, 87, 10022},
	"ErrClosed":        {reservation.ErrClosed, 6, 10038},
	"ErrState":         {reservation.ErrState, 87, 10022},
	"ErrUnsupported":   {reservation.ErrUnsupported, 50, 10045},
	"ErrDenied":        {reservation.ErrDenied, 5, 10013},
	"ErrPortDenied":    {reservation.ErrPortDenied, 5, 10013},
	"ErrInUse":         {reservation.ErrInUse, 32, 10048},
	"ErrExhausted":     {reservation.ErrExhausted, 8, 10055},
	"ErrLimit":         {reservation.ErrLimit, 4, 10024},
	"ErrNotFound":      {reservation.ErrNotFound, 1168, 10022},
	"ErrTokenStale":    {reservation.ErrTokenStale, 1168, 10022},
	"ErrAddress":       {reservation.ErrAddress, 1214, 10049},
	"ErrRefused":       {reservation.ErrRefused, 1225, 10061},
	"ErrNotConnected":  {reservation.ErrNotConnected, 2250, 10057},
	"ErrTooLong":       {reservation.ErrTooLong, 234, 10040},
	"Canceled":         {context.Canceled, 995, 995},
	"DeadlineExceeded": {context.DeadlineExceeded, 1460, 10060},
}

func TestConditionsHaveTwoCodes(t *testing.T) {
	for name, want := range codes {
		for _, err := range []error{
			want.condition,
			fmt.Errorf("wrapped: %w", want.condition),
			&reservation.Error{Op: "create", Protocol: reservation.UDP, Range: pool.AllPorts, Err: want.condition},
		} {
			require.Equal(t, want.iphlpapi, win32.IphlpapiErrno(err), name)
			require.Equal(t, want.winsock, win32.WinsockErrno(err), name)
		}
		// A code leads back to its condition, or to the one that has the code as well.
		require.Equal(t, want.iphlpapi, win32.IphlpapiErrno(want.iphlpapi.Condition()), name)
		require.Equal(t, want.winsock, win32.WinsockErrno(want.winsock.Condition()), name)
	}
}

// A condition that the engine learns must get its codes here.
func TestEveryConditionHasCodes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../errors.go", nil, 0)
	require.NoError(t, err)
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			found++
			require.Contains(t, codes, spec.Names[0].Name)
		}
		return true
	})
	require.Equal(t, len(codes)-2, found, "all but the two of package context")
}

func TestErrorsWithoutCondition(t *testing.T) {
	require.Equal(t, win32.ERROR_SUCCESS, win32.IphlpapiErrno(nil))
	require.Equal(t, win32.ERROR_SUCCESS, win32.WinsockErrno(nil))
	for _, err := range []error{io.ErrUnexpectedEOF, errors.New("disk full"), win32.ERROR_SUCCESS, reservation.ErrStale} {
		require.Equal(t, win32.ERROR_GEN_FAILURE, win32.IphlpapiErrno(err))
		require.Equal(t, win32.WSAENETDOWN, win32.WinsockErrno(err))
	}
}

// An error that brings a code of its own keeps it at its own door and is translated at the other.
func TestErrorsWithCodes(t *testing.T) {
	shutdown := fmt.Errorf("send: %w", win32.WSAESHUTDOWN)
	require.Equal(t, win32.WSAESHUTDOWN, win32.WinsockErrno(shutdown))
	require.Equal(t, win32.ERROR_GEN_FAILURE, win32.IphlpapiErrno(shutdown))
	require.Equal(t, win32.ERROR_SHARING_VIOLATION, win32.IphlpapiErrno(win32.WSAEADDRINUSE))
	require.Equal(t, win32.WSAEADDRINUSE, win32.WinsockErrno(win32.ERROR_SHARING_VIOLATION))
	both := fmt.Errorf("%w (%w)", reservation.ErrInUse, win32.ERROR_ALREADY_EXISTS)
	require.Equal(t, win32.ERROR_ALREADY_EXISTS, win32.IphlpapiErrno(both))
	require.Equal(t, win32.WSAEADDRINUSE, win32.WinsockErrno(both))
}
