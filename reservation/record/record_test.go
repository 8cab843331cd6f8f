package record_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/record"
)

func newHost(t require.TestingT) *reservation.Host {
	host, err := reservation.New(context.Background(), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
	require.NoError(t, err)
	return host
}

func ports(text string) pool.Range { return pool.MustParseRange(text) }

// body returns a trace without its header.
func body(t *testing.T, text string) string {
	t.Helper()
	header, rest, _ := strings.Cut(text, "\n")
	require.Equal(t, "berth trace 1", header)
	return rest
}

func TestEachCallIsWritten(t *testing.T) {
	ctx := t.Context()
	host := newHost(t)
	defer host.Close()
	admin := host.Process(reservation.Caller{Elevated: true})
	_, err := admin.CreatePersistent(ctx, reservation.TCP, ports("80"), "")
	require.NoError(t, err)
	before, err := admin.List(ctx, 0)
	require.NoError(t, err)

	for _, c := range []struct {
		name string
		do   func(api reservation.API)
		want string
	}{
		{"create", func(api reservation.API) {
			_, err := api.CreatePersistent(ctx, reservation.UDP, ports("100-109"), "media")
			require.NoError(t, err)
		}, "overlaps udp 100-109\ninsert udp 100-109\n"},
		{"create what overlaps", func(api reservation.API) {
			_, err := api.CreatePersistent(ctx, reservation.UDP, ports("105-115"), "")
			require.ErrorIs(t, err, reservation.ErrInUse)
		}, "overlaps udp 105-115\nwho udp 105-115\n"},
		{"create nonsense", func(api reservation.API) {
			_, err := api.CreatePersistent(ctx, 3, ports("105-115"), "")
			require.ErrorIs(t, err, reservation.ErrInvalid)
			_, err = api.CreatePersistent(ctx, reservation.UDP, reservation.Range{}, "")
			require.ErrorIs(t, err, reservation.ErrInvalid)
		}, ""},
		{"look up", func(api reservation.API) {
			_, err := api.LookupPersistent(ctx, reservation.UDP, ports("100-109"))
			require.NoError(t, err)
		}, "who udp 100-109\n"},
		{"exclude and end it", func(api reservation.API) {
			require.NoError(t, api.AddExclusion(ctx, reservation.TCP, ports("90"), reservation.ActiveStore))
			require.NoError(t, api.DeleteExclusion(ctx, reservation.TCP, ports("90"), reservation.ActiveStore))
		}, "overlaps tcp 90\ninsert tcp 90\ndelete tcp 90\n"},
		{"delete a part", func(api reservation.API) {
			require.ErrorIs(t, api.DeletePersistent(ctx, reservation.UDP, ports("100")), reservation.ErrNotFound)
		}, "who udp 100\n"},
		{"acquire and release", func(api reservation.API) {
			e, err := api.Open(ctx, reservation.UDP)
			require.NoError(t, err)
			r, err := e.Acquire(ctx, reservation.Request{Count: 2, Align: 2, Within: ports("99-200")})
			require.NoError(t, err)
			require.Equal(t, ports("110-111"), r.Range)
			_, err = e.Acquire(ctx, reservation.Request{First: 120, Count: 5})
			require.NoError(t, err)
			_, err = e.Acquire(ctx, reservation.Request{First: 124, Count: 5})
			require.ErrorIs(t, err, reservation.ErrInUse)
			_, err = e.Acquire(ctx, reservation.Request{Count: 500, Within: ports("99-200")})
			require.ErrorIs(t, err, reservation.ErrExhausted)
			require.NoError(t, e.Release(ctx, r.Token))
			require.ErrorIs(t, e.Release(ctx, r.Token), reservation.ErrNotFound)
			require.NoError(t, e.Close())
			require.NoError(t, e.Close())
		}, `find udp 2 within 99-200 align 2
insert udp 110-111
overlaps udp 120-124
insert udp 120-124
overlaps udp 124-128
who udp 124-128
find udp 500 within 99-200
delete udp 110-111
delete udp 120-124
`},
		{"bind", func(api reservation.API) {
			free, err := api.Open(ctx, reservation.TCP)
			require.NoError(t, err)
			_, err = free.Bind(ctx, 80, nil)
			require.ErrorIs(t, err, reservation.ErrDenied)
			_, err = free.Bind(ctx, 8080, nil)
			require.NoError(t, err)
			_, err = free.Bind(ctx, 8081, nil)
			require.ErrorIs(t, err, reservation.ErrState)
			again, err := api.Open(ctx, reservation.TCP)
			require.NoError(t, err)
			_, err = again.Bind(ctx, 8080, nil)
			require.NoError(t, err)
			require.NoError(t, free.Close())
			require.NoError(t, again.Close())
		}, `overlaps tcp 80
who tcp 80
overlaps tcp 8080
insert tcp 8080
overlaps tcp 8081
overlaps tcp 8080
delete tcp 8080
`},
		{"bind from a block", func(api reservation.API) {
			token, err := api.LookupPersistent(ctx, reservation.UDP, ports("100-109"))
			require.NoError(t, err)
			for _, port := range []uint16{0, 105} {
				e, err := api.Open(ctx, reservation.UDP)
				require.NoError(t, err)
				require.NoError(t, e.Associate(ctx, token))
				_, err = e.Bind(ctx, port, nil)
				require.NoError(t, err)
			}
		}, "who udp 100-109\nwho udp 105\n"},
		{"the process ends", func(api reservation.API) {
			e, err := api.Open(ctx, reservation.TCP)
			require.NoError(t, err)
			_, err = e.Acquire(ctx, reservation.Request{First: 500, Count: 5})
			require.NoError(t, err)
			e, err = api.Open(ctx, reservation.TCP)
			require.NoError(t, err)
			_, err = e.Bind(ctx, 600, nil)
			require.NoError(t, err)
			require.NoError(t, api.Close())
			require.NoError(t, api.Close())
			_, err = api.Open(ctx, reservation.TCP)
			require.ErrorIs(t, err, reservation.ErrClosed)
		}, ""}, // in any order: see below
	} {
		t.Run(c.name, func(t *testing.T) {
			var text bytes.Buffer
			recorder := record.NewRecorder(&text)
			blocks, err := admin.List(ctx, 0)
			require.NoError(t, err)
			recorder.Blocks(blocks)
			recorder.Comment("begin")
			c.do(recorder.API(host.Process(reservation.Caller{Elevated: true})))
			require.NoError(t, recorder.Close())
			_, after, _ := strings.Cut(text.String(), "# begin\n")
			if c.name != "the process ends" {
				require.Equal(t, c.want, after)
				return
			}
			require.ElementsMatch(t, strings.Split("overlaps tcp 500-504\ninsert tcp 500-504\noverlaps tcp 600\ninsert tcp 600\ndelete tcp 500-504\ndelete tcp 600\n", "\n"),
				strings.Split(after, "\n"))
		})
	}
	var text bytes.Buffer
	recorder := record.NewRecorder(&text)
	recorder.Blocks(before)
	require.NoError(t, recorder.Close())
	require.Equal(t, "insert tcp 80\n", body(t, text.String()))
	require.Equal(t, 1, recorder.Written())
}

func TestBindToAnyPortIsASearch(t *testing.T) {
	ctx := t.Context()
	host := newHost(t)
	defer host.Close()
	var text bytes.Buffer
	recorder := record.NewRecorder(&text)
	e, err := recorder.API(host.Process(reservation.Caller{})).Open(ctx, reservation.UDP)
	require.NoError(t, err)
	port, err := e.Bind(ctx, 0, nil)
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, recorder.Close())
	r := pool.RangeOf(port).String()
	require.Equal(t, "find udp 1 within 49152-65535\ninsert udp "+r+"\ndelete udp "+r+"\n", body(t, text.String()))
}

// TestTraceEndsWhereTheEngineDoes has several processes call at once. The trace must be sound, and as
// nobody overlaps in their places, it holds in the end what the engine holds.
func TestTraceEndsWhereTheEngineDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		host := newHost(t)
		defer host.Close()
		var text bytes.Buffer
		recorder := record.NewRecorder(&text)
		seed := rapid.IntRange(0, 1000).Draw(t, "seed")
		var group sync.WaitGroup
		for caller := range 4 {
			group.Go(func() {
				api := recorder.API(host.Process(reservation.Caller{Elevated: true}))
				e, _ := api.Open(ctx, reservation.UDP)
				for i := range 20 {
					r, _ := pool.RangeFrom(uint16(1000*(caller+1)+(seed+i*7)%13), 1+(seed+i)%5)
					switch (seed + i*i) % 5 {
					case 0, 1:
						_, _ = api.CreatePersistent(ctx, reservation.UDP, r, "")
					case 2:
						_ = api.DeletePersistent(ctx, reservation.UDP, r)
					case 3:
						_, _ = e.Acquire(ctx, reservation.Request{First: r.First(), Count: r.Count()})
					case 4:
						_ = e.Close()
						e, _ = api.Open(ctx, reservation.UDP)
					}
				}
			})
		}
		group.Wait()
		require.NoError(t, recorder.Close())
		require.NotContains(t, text.String(), "left out")
		blocks, err := host.Process(reservation.Caller{}).List(ctx, 0)
		require.NoError(t, err)
		var want []pool.Range
		for _, b := range blocks {
			want = append(want, b.Range)
		}
		require.ElementsMatch(t, want, leftOf(t, &text))
	})
}

// leftOf plays a trace and returns the blocks that it leaves.
func leftOf(t require.TestingT, text io.Reader) []pool.Range {
	left := map[pool.Range]bool{}
	for reader := trace.NewReader(text); ; {
		op, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch op.Verb {
		case trace.Insert:
			left[op.Range] = true
		case trace.Delete:
			delete(left, op.Range)
		}
	}
	var ranges []pool.Range
	for r := range left {
		ranges = append(ranges, r)
	}
	return ranges
}

func TestWhatDoesNotFitIsCounted(t *testing.T) {
	var text bytes.Buffer
	recorder := record.NewRecorder(&text)
	recorder.Blocks([]reservation.Block{
		{Protocol: reservation.UDP, Range: ports("1-9")},
		{Protocol: reservation.UDP, Range: ports("9")},
	})
	require.NoError(t, recorder.Close())
	require.Equal(t, "insert udp 1-9\n# left out, since calls overlapped in time: 1\n", body(t, text.String()))
	require.Equal(t, 1, recorder.Written())
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestCallsGoOnWhenTheTraceCannot(t *testing.T) {
	ctx := t.Context()
	host := newHost(t)
	defer host.Close()
	recorder := record.NewRecorder(fullDisk{})
	api := recorder.API(host.Process(reservation.Caller{Elevated: true}))
	for i := range 2000 {
		r, err := pool.RangeFrom(uint16(1+i), 1)
		require.NoError(t, err)
		_, err = api.CreatePersistent(ctx, reservation.UDP, r, "")
		require.NoError(t, err)
	}
	recorder.Comment("too late")
	require.ErrorIs(t, recorder.Close(), syscall.ENOSPC)
}

// A tagger is an endpoint of a system that wants to see sockets and keeps ports.
type tagger struct{ reservation.Endpoint }

func (tagger) TagSocket(syscall.RawConn) error { return syscall.EPERM }
func (tagger) Kept() reservation.KeptBlock     { return keptBlock{} }

type keptBlock struct{}

func (keptBlock) Close() error { return nil }

type taggingAPI struct{ reservation.API }

func (a taggingAPI) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	e, err := a.API.Open(ctx, protocol)
	return tagger{e}, err
}

func TestEndpointsKeepTheirAbilities(t *testing.T) {
	host := newHost(t)
	defer host.Close()
	recorder := record.NewRecorder(io.Discard)
	plain, err := recorder.API(host.Process(reservation.Caller{})).Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	_, tags := plain.(reservation.SocketTagger)
	require.False(t, tags)
	require.Nil(t, plain.(reservation.KeptEndpoint).Kept())

	special, err := recorder.API(taggingAPI{host.Process(reservation.Caller{})}).Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	require.Equal(t, syscall.EPERM, special.(reservation.SocketTagger).TagSocket(nil))
	require.Equal(t, keptBlock{}, special.(reservation.KeptEndpoint).Kept())

	simple, err := recorder.API(simpleAPI{host.Process(reservation.Caller{})}).Open(t.Context(), reservation.UDP)
	require.NoError(t, err)
	require.Nil(t, simple.(reservation.KeptEndpoint).Kept())
}

type simpleAPI struct{ reservation.API }

func (a simpleAPI) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	e, err := a.API.Open(ctx, protocol)
	return struct{ reservation.Endpoint }{e}, err
}
