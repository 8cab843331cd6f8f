package poolbench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScriptReachesEveryCorner(t *testing.T) {
	s, d := newScript(7, Berth()), newDuel(nil)
	asked := map[method]int{}
	hits, found, most, emptied, crowded := 0, 0, 0, 0, 0
	for range 300_000 {
		c := s.next(d)
		require.True(t, d.allows(c), c)
		o := d.oracles[c.on]
		asked[c.method]++
		switch {
		case c.method == methodOverlaps && o.overlaps(c.r):
			hits++
		case c.method == methodFindFree:
			if _, ok := o.findFree(c.count, c.r, c.align); ok {
				found++
			}
		}
		d.teach(c)
		most = max(most, len(o.blocks))
		if len(o.blocks) == 0 {
			emptied++
		}
		if len(o.blocks) > 10 {
			crowded++
		}
	}
	for m := methodInsert; m <= methodClone; m++ {
		require.Greater(t, asked[m], 100, "method %d", m)
	}
	require.Greater(t, hits, asked[methodOverlaps]/4)
	require.Less(t, hits, asked[methodOverlaps]*3/4)
	require.Greater(t, found, asked[methodFindFree]/4)
	require.Less(t, found, asked[methodFindFree]*3/4)
	require.Greater(t, most, 1000, "blocks at once")
	require.Greater(t, emptied, 1000, "calls on an empty core")
	require.Greater(t, crowded, 100_000, "calls on a core with more than 10 blocks")
}
