package result_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

func run() *result.Run {
	return &result.Run{
		Machine: result.Machine{System: "linux/amd64, Linux 6.18.0", Processor: "AMD EPYC", Cores: 2, Go: "go1.26.8", Commit: "0123456789ab+changes"},
		Started: time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC),
		Seed:    7, Complete: true,
		Notes:    []string{"udp-port/full=90 leaves out net: no network"},
		Verified: []result.Verdict{{Core: "berth", Operations: 1000}, {Core: "liar", Operations: 3, Fault: "Overlaps(1): got false, want true"}},
		Figures: []result.Figure{
			{
				Group: "any", Work: result.Work{Name: "blocks=10/width=16", Description: "is any port taken?", Blocks: 10, Width: 16},
				Subject: "google/btree", Unit: "ns/op", Samples: []float64{4.25, 1234567.891, 3}, Properties: []string{"knows <who>"},
			},
			{
				Group: "udp-port", Work: result.Work{Name: "full=99/thief", Fill: 99, Goroutines: 2},
				Subject: "berth, no block", Unit: "ns/op", Samples: []float64{10_000}, Attempts: 8, Successes: 7,
			},
		},
	}
}

func TestJSONComesBack(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, result.WriteJSON(&text, run()))
	require.Contains(t, text.String(), "knows <who>")
	again, err := result.ReadJSON(&text)
	require.NoError(t, err)
	require.Equal(t, run(), again)
}

func TestReadJSONRefuses(t *testing.T) {
	figure := func(fields string) string {
		return `{"format":1,"figures":[{"group":"any","work":{"name":"w"},"subject":"s",` + fields + `}]}`
	}
	_, err := result.ReadJSON(strings.NewReader(figure(`"samples":[1]`)))
	require.NoError(t, err)
	for text, reason := range map[string]string{
		"":                                     "EOF",
		"null":                                 "no format",
		"{}":                                   "no format",
		"[]":                                   "cannot unmarshal",
		`{"format":2}`:                         "they have format 2, and this program knows 1",
		`{"format":1,"figures":[{}]}`:          "figure 1: it has no group",
		figure(`"samples":[-1]`):               "the sample -1",
		figure(`"attempts":1,"successes":2`):   "2 successes in 1 attempts",
		figure(`"attempts":-1,"successes":-1`): "-1 successes",
	} {
		_, err := result.ReadJSON(strings.NewReader(text))
		require.ErrorIs(t, err, result.ErrInvalid, "%s", text)
		require.ErrorContains(t, err, reason)
	}
}

func TestCSV(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, result.WriteCSV(&text, run()))
	require.Equal(t, `# AMD EPYC, 2 cores, linux/amd64, Linux 6.18.0, go1.26.8, commit 0123456789ab+changes, 2026-11-22 12:34 UTC
group,work,subject,round,value,unit,blocks,width,hit,fill,goroutines,attempts,successes
any,blocks=10/width=16,google/btree,1,4.25,ns/op,10,16,0,0,0,0,0
any,blocks=10/width=16,google/btree,2,1234567.891,ns/op,10,16,0,0,0,0,0
any,blocks=10/width=16,google/btree,3,3,ns/op,10,16,0,0,0,0,0
udp-port,full=99/thief,"berth, no block",1,10000,ns/op,0,0,0,99,2,8,7
`, text.String())
}

func TestBenchmark(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, result.WriteBenchmark(&text, run()))
	require.Equal(t, `goos: linux
goarch: amd64
system: Linux 6.18.0
cpu: AMD EPYC
cores: 2
go: go1.26.8
commit: 0123456789ab+changes
date: 2026-11-22T12:34:56Z
seed: 7
complete: true

Unit success-% better=higher
BenchmarkAny/blocks=10/width=16/core=google-btree-2	1	4.25 ns/op
BenchmarkAny/blocks=10/width=16/core=google-btree-2	1	1234567.891 ns/op
BenchmarkAny/blocks=10/width=16/core=google-btree-2	1	3 ns/op
BenchmarkUdpPort/full=99/thief/core=berth,-no-block-2	1	10000 ns/op	87.5 success-%
`, text.String())
}

func TestAnInterruptedRunSaysSo(t *testing.T) {
	interrupted := run()
	interrupted.Complete = false
	require.Contains(t, interrupted.Line(), "interrupted")
	var text bytes.Buffer
	require.NoError(t, result.WriteBenchmark(&text, interrupted))
	require.Contains(t, text.String(), "complete: false\n")
}

// FuzzReadJSON: what is read can be written in every format and read again.
func FuzzReadJSON(f *testing.F) {
	var text bytes.Buffer
	require.NoError(f, result.WriteJSON(&text, run()))
	f.Add(text.Bytes())
	f.Add([]byte(`{"format":1,"figures":[{"group":"-","work":{"name":"/"},"subject":"\n","samples":[0]}]}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		first, err := result.ReadJSON(bytes.NewReader(input))
		if err != nil {
			require.ErrorIs(t, err, result.ErrInvalid)
			return
		}
		var text, table, benchmark bytes.Buffer
		require.NoError(t, result.WriteCSV(&table, first))
		require.NoError(t, result.WriteBenchmark(&benchmark, first))
		for line := range strings.Lines(benchmark.String()) {
			require.NotContains(t, strings.TrimSuffix(line, "\n"), "\r")
		}
		if result.WriteJSON(&text, first) != nil {
			return // a year that JSON's times do not have
		}
		again, err := result.ReadJSON(&text)
		require.NoError(t, err)
		require.Equal(t, len(first.Figures), len(again.Figures))
	})
}
