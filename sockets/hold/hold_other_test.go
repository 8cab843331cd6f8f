//go:build !unix

package hold_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

func TestHoldIsUnsupported(t *testing.T) {
	kept, err := hold.New().Keep(t.Context(), pool.UDP, pool.RangeOf(40000))
	require.Nil(t, kept)
	require.ErrorIs(t, err, reservation.ErrUnsupported)
}
