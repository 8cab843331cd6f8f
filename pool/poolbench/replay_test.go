package poolbench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
)

const shortTrace = `berth trace 1
insert udp 10-19
overlaps udp 15-24
who udp 15-24
find udp 10 within 10-1000 align 2
insert udp 20-29
insert tcp 10-19
delete udp 10-19
`

func names(all []Workload) []string {
	var names []string
	for _, work := range all {
		names = append(names, work.String())
	}
	return names
}

func TestTraceIsPlayedInACircle(t *testing.T) {
	all, err := TraceWorkloads("game", strings.NewReader(shortTrace))
	require.NoError(t, err)
	require.Equal(t, []string{"trace/game", "trace/game/ask=who", "trace/game/ask=any"}, names(all))
	require.Equal(t, "9 operations of a recorded trace, at most 3 blocks at once", all[0].Description)

	var made []*witness
	run, err := all[0].Prepare(func() Core {
		made = append(made, newWitness(t))
		return made[len(made)-1]
	}, 1)
	require.NoError(t, err)
	udp, tcp := made[len(made)-2], made[len(made)-1]
	run(4)
	require.Len(t, udp.o.blocks, 1)
	require.Equal(t, 1, udp.overlaps)
	require.Equal(t, 1, udp.named)
	require.Equal(t, 1, udp.found)
	run(3)
	require.Equal(t, []pool.Range{pool.MustParseRange("20-29")}, udp.o.blocks)
	require.Equal(t, []pool.Range{pool.MustParseRange("10-19")}, tcp.o.blocks)
	run(2)
	require.Empty(t, udp.o.blocks)
	require.Empty(t, tcp.o.blocks)
	run(900)
	require.Empty(t, udp.o.blocks)
	require.Equal(t, 101, udp.overlaps)
}

func TestTraceLeavesOutWhatACoreCannot(t *testing.T) {
	plain := func() Core { return struct{ Core }{Bitmap()} }
	for _, c := range []struct {
		text string
		fits []string
	}{
		{shortTrace, []string{"trace/t/ask=any"}},
		{"berth trace 1\nwho udp 1\n", []string{"trace/t/ask=any"}},
		{"berth trace 1\nfind udp 1\n", nil},
		{"berth trace 1\nfind udp 1\ninsert udp 1\n", []string{"trace/t/ask=any"}},
		{"berth trace 1\ninsert udp 1\n", []string{"trace/t"}},
	} {
		all, err := TraceWorkloads("t", strings.NewReader(c.text))
		require.NoError(t, err)
		var fits []string
		for _, work := range all {
			if work.Fits(plain()) {
				fits = append(fits, work.String())
			}
			for _, new := range []func() Core{plain, Bitmap, List, Berth} {
				if run, err := work.Prepare(new, 1); err == nil {
					run(100)
				}
			}
		}
		require.Equal(t, c.fits, fits, c.text)
	}
}

func TestBadTraceIsRefused(t *testing.T) {
	for _, c := range []struct{ text, problem string }{
		{"", `trace t: bad trace: line 1: this is no trace: want the header "berth trace 1"`},
		{"berth trace 1\n# nothing\n", "trace t: it has no operations"},
		{"berth trace 1\ndelete udp 1", "trace t: bad trace: line 2: delete udp 1: no block has exactly these ports"},
	} {
		_, err := TraceWorkloads("t", strings.NewReader(c.text))
		require.EqualError(t, err, c.problem)
	}
}

func TestTraceHasABound(t *testing.T) {
	const text = "berth trace 1\nwho udp 1\nwho udp 2\nwho udp 3\n"
	all, err := readSteps(strings.NewReader(text), 3)
	require.NoError(t, err)
	require.Len(t, all.steps, 3)
	_, err = readSteps(strings.NewReader(text), 2)
	require.EqualError(t, err, "it has more than 2 operations; cut it in two")
}

func TestStepsKeepOperationsWhole(t *testing.T) {
	op := trace.Operation{Verb: trace.Find, Protocol: pool.TCP, Range: pool.AllPorts, Count: pool.MaxPort, Align: pool.MaxPort}
	require.Equal(t, step{trace.Find, 1, pool.AllPorts, pool.MaxPort, pool.MaxPort}, stepOf(op))
}
