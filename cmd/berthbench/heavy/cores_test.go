//go:build heavy

package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool/poolbench"
)

func TestHeavyCoresAnswerRight(t *testing.T) {
	for _, entry := range slices.Concat(heavyCores(), mobyAllocator()) {
		t.Run(entry.Name, func(t *testing.T) {
			require.NoError(t, poolbench.VerifyCore(entry.New, 20_000, rand.Uint64()))
		})
	}
}
