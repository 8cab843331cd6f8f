package trace_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
)

func readAll(r io.Reader) (all []trace.Operation, err error) {
	for reader := trace.NewReader(r); ; {
		op, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, op)
	}
}

func ports(text string) pool.Range { return pool.MustParseRange(text) }

func TestReaderReadsEveryVerb(t *testing.T) {
	const text = `berth trace 1
# what stood there before

insert udp 50000-50099
  overlaps   udp 50050+100
who TCP 80
find udp 10
find udp 10 within 1024-65535 align 2
find tcp 1 align 64
delete udp 50000-50099
`
	all, err := readAll(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, []trace.Operation{
		{Verb: trace.Insert, Protocol: pool.UDP, Range: ports("50000-50099")},
		{Verb: trace.Overlaps, Protocol: pool.UDP, Range: ports("50050-50149")},
		{Verb: trace.Who, Protocol: pool.TCP, Range: ports("80")},
		{Verb: trace.Find, Protocol: pool.UDP, Range: pool.AllPorts, Count: 10, Align: 1},
		{Verb: trace.Find, Protocol: pool.UDP, Range: ports("1024-65535"), Count: 10, Align: 2},
		{Verb: trace.Find, Protocol: pool.TCP, Range: pool.AllPorts, Count: 1, Align: 64},
		{Verb: trace.Delete, Protocol: pool.UDP, Range: ports("50000-50099")},
	}, all)
}

func TestReaderSaysWhatIsWrongInWhichLine(t *testing.T) {
	const begin = "berth trace 1\n"
	for _, c := range []struct{ text, problem string }{
		{"", `bad trace: line 1: this is no trace: want the header "berth trace 1"`},
		{"insert udp 1", `bad trace: line 1: this is no trace: want the header "berth trace 1"`},
		{"berth trace 2\n", `bad trace: line 1: this is no trace: want the header "berth trace 1"`},
		{begin + "\nremove udp 1", `bad trace: line 3: invalid operation "remove udp 1": want insert, delete, overlaps, who or find`},
		{begin + "insert", `bad trace: line 2: invalid operation "insert": want an operation such as "insert udp 50000-50099"`},
		{begin + "insert sctp 1", `bad trace: line 2: invalid operation "insert sctp 1": invalid protocol "sctp": want udp or tcp`},
		{begin + "insert udp 0", `bad trace: line 2: invalid operation "insert udp 0": invalid range "0": port 0 cannot be part of a range; ports are 1-65535`},
		{begin + "insert udp 1 2", `bad trace: line 2: invalid operation "insert udp 1 2": "2" is too much`},
		{begin + "find udp 0", `bad trace: line 2: invalid operation "find udp 0": find wants a count of 1 to 65535 ports`},
		{begin + "find udp -1", `bad trace: line 2: invalid operation "find udp -1": "-1" is not a number of 1 to 65535`},
		{begin + "find udp 1 align 0", `bad trace: line 2: invalid operation "find udp 1 align 0": find wants an alignment of 1 to 65535`},
		{begin + "find udp 1 align 2 within 1-9", `bad trace: line 2: invalid operation "find udp 1 align 2 within 1-9": "within 1-9" is too much; want within RANGE, then align N`},
		{begin + "find udp 1 within", `bad trace: line 2: invalid operation "find udp 1 within": "within" is too much; want within RANGE, then align N`},
		{begin + "delete udp 5", `bad trace: line 2: delete udp 5: no block has exactly these ports`},
		{begin + "insert udp 5-7\ndelete udp 5-6", `bad trace: line 3: delete udp 5-6: no block has exactly these ports`},
		{begin + "insert udp 5-7\ninsert tcp 7\ninsert udp 7-9", `bad trace: line 4: insert udp 7-9: it overlaps the block 5-7`},
		{begin + "insert udp 1\n" + strings.Repeat("x", 5000), `bad trace: line 3: longer than 4096 bytes`},
	} {
		_, err := readAll(strings.NewReader(c.text))
		require.EqualError(t, err, c.problem)
		require.ErrorIs(t, err, trace.ErrFormat)
		require.ErrorIs(t, err, pool.ErrInvalid)
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("the disk is gone")
	reader := trace.NewReader(io.MultiReader(strings.NewReader("berth trace 1\ninsert udp 1\n"), iotest.ErrReader(broken)))
	_, err := reader.Read()
	require.NoError(t, err)
	for range 2 {
		_, err = reader.Read()
		require.ErrorIs(t, err, broken)
	}
}

func TestWriterWritesWhatAReaderReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text bytes.Buffer
		writer := trace.NewWriter(&text)
		var written []trace.Operation
		for range rapid.IntRange(0, 50).Draw(t, "operations") {
			op := operation(t)
			switch err := writer.Write(op); {
			case err == nil:
				written = append(written, op)
			default:
				require.ErrorIs(t, err, pool.ErrInvalid)
			}
			if rapid.Bool().Draw(t, "with a comment") {
				require.NoError(t, writer.Comment(rapid.String().Draw(t, "comment")))
			}
		}
		require.NoError(t, writer.Flush())
		read, err := readAll(&text)
		require.NoError(t, err)
		require.Equal(t, written, read)
	})
}

// operation draws any operation, also malformed ones and such as do not fit what is there.
func operation(t *rapid.T) trace.Operation {
	first := rapid.IntRange(1, 50).Draw(t, "first")
	r, err := pool.RangeFrom(uint16(first), rapid.IntRange(1, 20).Draw(t, "ports"))
	require.NoError(t, err)
	op := trace.Operation{
		Verb:     trace.Verb(rapid.IntRange(0, 6).Draw(t, "verb")),
		Protocol: rapid.SampledFrom([]pool.Protocol{0, pool.TCP, pool.UDP}).Draw(t, "protocol"),
		Range:    rapid.SampledFrom([]pool.Range{r, r, pool.AllPorts, {}}).Draw(t, "range"),
	}
	if op.Verb == trace.Find {
		op.Count = rapid.IntRange(0, pool.MaxPort+1).Draw(t, "count")
		op.Align = rapid.IntRange(0, 3).Draw(t, "align")
	}
	return op
}

func TestWriterRefusesWhatDoesNotFit(t *testing.T) {
	var text strings.Builder
	writer := trace.NewWriter(&text)
	block := trace.Operation{Verb: trace.Insert, Protocol: pool.UDP, Range: ports("5-7")}
	require.NoError(t, writer.Write(block))
	for _, c := range []struct {
		op      trace.Operation
		problem string
	}{
		{block, "invalid argument: insert udp 5-7: it overlaps the block 5-7"},
		{trace.Operation{Verb: trace.Delete, Protocol: pool.UDP, Range: ports("5")}, "invalid argument: delete udp 5: no block has exactly these ports"},
		{trace.Operation{Verb: 9, Protocol: pool.UDP, Range: ports("5")}, `invalid operation "verb(9) udp 5": want insert, delete, overlaps, who or find`},
		{trace.Operation{Verb: trace.Who, Protocol: pool.UDP}, `invalid operation "who udp invalid": the range holds no port`},
		{trace.Operation{Verb: trace.Who, Protocol: pool.UDP, Range: ports("5"), Count: 1}, `invalid operation "who udp 5": only find has a count and an alignment`},
	} {
		require.EqualError(t, writer.Write(c.op), c.problem)
	}
	require.NoError(t, writer.Comment("a\nb\x00c\xff"+strings.Repeat("ü", 5000)))
	require.NoError(t, writer.Flush())
	require.True(t, strings.HasPrefix(text.String(), "berth trace 1\ninsert udp 5-7\n# a b c?ü"), text.String()[:50])
	read, err := readAll(strings.NewReader(text.String()))
	require.NoError(t, err)
	require.Equal(t, []trace.Operation{block}, read)
}

func TestWriterPassesErrorsOn(t *testing.T) {
	writer := trace.NewWriter(brokenWriter{})
	require.NoError(t, writer.Comment("buffered"))
	require.ErrorIs(t, writer.Flush(), io.ErrClosedPipe)
	require.ErrorIs(t, writer.Flush(), io.ErrClosedPipe)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzReader(f *testing.F) {
	f.Add("berth trace 1\ninsert udp 1-9\nwho udp 5\nfind tcp 10 within 5-900 align 2\ndelete udp 1-9\n")
	f.Add("berth trace 1\n# x\n\n overlaps udp 65535\ninsert udp 5+9")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readAll(strings.NewReader(text))
		if err != nil {
			require.ErrorIs(t, err, trace.ErrFormat)
			return
		}
		var again bytes.Buffer
		writer := trace.NewWriter(&again)
		for _, op := range all {
			require.NoError(t, writer.Write(op))
		}
		require.NoError(t, writer.Flush())
		reread, err := readAll(&again)
		require.NoError(t, err)
		require.Equal(t, all, reread)
	})
}
