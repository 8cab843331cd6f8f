package system_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

func TestDynamicRangeIsKeptInTheStore(t *testing.T) {
	newStore(t)
	want := pool.MustParseRange("20000-29999")
	computer := open(t, system.Options{})
	require.NoError(t, computer.SetDynamic(t.Context(), reservation.TCP, want))
	require.ErrorIs(t, computer.SetDynamic(t.Context(), reservation.TCP, pool.MustParseRange("1024-9999")), reservation.ErrInvalid)
	require.NoError(t, computer.Close())

	reader := open(t, system.Options{ReadOnly: true, BootID: "second"})
	for protocol, want := range map[reservation.Protocol]reservation.Range{
		reservation.TCP: want,
		reservation.UDP: reservation.DefaultDynamic,
	} {
		dynamic, err := reader.Dynamic(t.Context(), protocol)
		require.NoError(t, err)
		require.Equal(t, want, dynamic, protocol)
	}
	require.ErrorIs(t, reader.SetDynamic(t.Context(), reservation.TCP, reservation.DefaultDynamic), reservation.ErrDenied)
	_, err := reader.Dynamic(t.Context(), 0)
	require.ErrorIs(t, err, reservation.ErrInvalid)
}

func TestWindowsKeepsItsDynamicRangeToItself(t *testing.T) {
	var windows system.Computer // as on Windows without a store: no engine of ours behind it
	_, err := windows.Dynamic(t.Context(), reservation.TCP)
	require.ErrorIs(t, err, reservation.ErrUnsupported)
	require.ErrorIs(t, windows.SetDynamic(t.Context(), reservation.TCP, reservation.DefaultDynamic), reservation.ErrUnsupported)
}
