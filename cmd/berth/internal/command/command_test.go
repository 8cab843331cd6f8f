package command

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// TestMain lets the test binary stand in for another program: see otherProgram.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	os.Exit(m.Run())
}

// A result is how one run of the command ended.
type result struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t.Context(), args...)
}

func runWith(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := Run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// newHome makes an empty home with a default store that is not there yet, so that no test touches
// this user's own, and returns the path of the store.
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, "state", "berth", "berth.db")
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	t.Setenv(system.StoreVariable, path)
	return path
}

// freePorts returns count ports that are free for UDP and for TCP right now. Nothing keeps them free,
// but systems do not assign these by themselves, and other tests that look for some start elsewhere.
func freePorts(t *testing.T, count int) reservation.Range {
	t.Helper()
	computer, err := system.Open(t.Context(), &system.Options{ReadOnly: true, BootID: "any", Store: filepath.Join(t.TempDir(), "none.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, computer.Close()) }()
	search := pool.Search{Within: pool.MustParseRange("10000-31999"), Align: 8}
	for {
		search.From = uint16(10000 + rand.IntN(20000))
		r, err := computer.Free(t.Context(), reservation.UDP, count, search)
		require.NoError(t, err)
		explanation, err := computer.Explain(t.Context(), reservation.TCP, r)
		require.NoError(t, err)
		if explanation.IsFree() {
			return r
		}
	}
}

// occupy binds a UDP port for the duration of the test, as another program might.
func occupy(t *testing.T, port uint16) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
}
