package command

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWatchTellsWhatOthersDo(t *testing.T) {
	newHome(t)
	block := freePorts(t, 4)
	require.Zero(t, run(t, "reserve", "udp", block.String(), "--label", "media").code)
	watch := start(t, "watch")
	require.Regexp(t, `^\d\d:\d\d:\d\d  present  udp \S+  persistent "media"$`, watch.read(t, 1))
	require.Zero(t, run(t, "reserve", "tcp", block.String()).code)
	require.Regexp(t, `  added    tcp \S+  persistent$`, watch.read(t, 1))
	require.Zero(t, run(t, "release", "udp", block.String()).code)
	require.Regexp(t, `  removed  udp \S+  persistent "media"$`, watch.read(t, 1))
}

func TestWatchOfOneProtocolAsJSON(t *testing.T) {
	newHome(t)
	block := freePorts(t, 4)
	require.Zero(t, run(t, "reserve", "udp", block.String(), "--label", "media").code)
	require.Zero(t, run(t, "reserve", "tcp", block.String()).code)
	watch := start(t, "watch", "udp", "--json")
	for _, want := range []string{"present", "removed"} {
		var change changeJSON
		require.NoError(t, json.Unmarshal([]byte(watch.read(t, 1)), &change))
		require.Equal(t, want, change.Change)
		require.Equal(t, "media", change.Block.Label)
		require.Equal(t, block.First(), change.Block.First)
		if want == "present" {
			require.Zero(t, run(t, "release", "tcp", block.String()).code, "not shown")
			require.Zero(t, run(t, "release", "udp", block.String()).code)
		}
	}
}

func TestWatchMisused(t *testing.T) {
	newHome(t)
	require.Equal(t, exitUsage, run(t, "watch", "icmp").code)
	require.Equal(t, exitUsage, run(t, "watch", "udp", "tcp").code)
}
