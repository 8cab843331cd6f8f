package cores_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/pool/poolbench"
)

// BERTH_BENCH_OPERATIONS is the number of random operations that each core is verified with.
func operations(t *testing.T) int {
	text := os.Getenv("BERTH_BENCH_OPERATIONS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "BERTH_BENCH_OPERATIONS")
	return n
}

func TestCoresAnswerRight(t *testing.T) {
	for _, entry := range cores.All() {
		t.Run(entry.Name, func(t *testing.T) {
			require.NoError(t, poolbench.VerifyCore(entry.New, operations(t), rand.Uint64()))
		})
	}
}
