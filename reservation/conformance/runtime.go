package conformance

import (
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

var acquireCases = []testCase{
	{"Q1", "A count of 0 and a block that runs past port 65535 are invalid.", func(c *computer) {
		e := c.any().open()
		for _, request := range []reservation.Request{
			{}, {First: c.port(0)}, {First: pool.MaxPort, Count: 2}, {First: 1000, Count: 64537},
		} {
			_, err := e.half.Acquire(c.Context(), request)
			c.require(reservation.ErrInvalid, err, "acquire %d+%d", request.First, request.Count)
		}
		e.acquire(c.at(0, 1), nil)
	}},
	{"Q2", `First port 0 leaves the choice to the system: a contiguous block from the dynamic range of
		the protocol.`, func(c *computer) {
		p := c.any()
		e := p.open()
		first, second := e.acquireAny(16, nil), e.acquireAny(16, nil)
		require.False(c, first.Overlaps(second), "%s and %s", first, second)
		if r, known := p.dynamic(); known {
			require.True(c, r.Contains(first.First()) && r.Contains(first.Last()), "%s is not within %s", first, r)
			require.True(c, r.Contains(second.First()) && r.Contains(second.Last()), "%s is not within %s", second, r)
		}
	}},
	{"Q3", "A specific block that overlaps any block, the caller's own included, is in use.", func(c *computer) {
		p := c.any()
		e := p.open()
		e.acquire(c.at(10, 10), nil)
		e.acquire(c.at(10, 10), reservation.ErrInUse)
		e.acquire(c.at(15, 1), reservation.ErrInUse)
		p.open().acquire(c.at(0, 11), reservation.ErrInUse)
		c.any().open().acquire(c.at(19, 5), reservation.ErrInUse)
		e.acquire(c.at(0, 10), nil)

		const rivals = 8
		var won atomic.Int32
		var done sync.WaitGroup
		for range rivals {
			rival := p.open()
			done.Go(func() {
				_, err := rival.half.Acquire(c.Context(), reservation.Request{First: c.ports.First() + 30, Count: 5})
				switch {
				case err == nil:
					won.Add(1)
				case !c.host.is(err, reservation.ErrInUse):
					c.Errorf("of %d who want one block a loser got %v", rivals, err)
				}
			})
		}
		done.Wait()
		require.EqualValues(c, 1, won.Load(), "%d want one block at the same time: one gets it", rivals)

		admin := c.admin()
		admin.create(c.at(40, 10), nil)
		e.acquire(c.at(49, 1), reservation.ErrInUse)
		admin.exclude(c.at(50, 5), reservation.ActiveStore, nil)
		e.acquire(c.at(50, 1), reservation.ErrInUse)
	}},
	{"Q4", "So is one with a port that any socket is bound to.", func(c *computer) {
		p := c.any()
		vacate := c.occupy(c.protocol, c.port(5))
		e := p.open()
		e.acquire(c.at(0, 10), reservation.ErrInUse)
		vacate()
		e.acquire(c.at(0, 10), nil)
		bound := p.open()
		bound.bind(c.port(15), nil)
		e.acquire(c.at(10, 10), reservation.ErrInUse)
	}},
	{"Q5", "One endpoint may hold many runtime reservations.", func(c *computer) {
		p := c.any()
		e := p.open()
		var blocks []reservation.Range
		for range 10 { // as many as SDN's test takes
			block := e.acquireAny(64, nil)
			for _, other := range blocks {
				require.False(c, block.Overlaps(other), "%s and %s", block, other)
			}
			blocks = append(blocks, block)
		}
		e.acquire(c.at(0, 4), nil)
		e.acquire(c.at(8, 4), nil)
		for _, number := range []int{0, 8} {
			p.open().bind(c.port(number), reservation.ErrDenied)
		}
	}},
	{"Q6", "Blocks are neither rounded nor merged with their neighbours.", func(c *computer) {
		p := c.any()
		e := p.open()
		first := e.acquire(c.at(3, 1), nil)
		second := e.acquire(c.at(4, 1), nil)
		require.NotEqual(c, first, second)
		e.acquire(c.at(2, 1), nil)
		e.acquire(c.at(5, 1), nil)
		e.release(first, nil)
		p.open().bind(c.port(3), nil)
		p.open().bind(c.port(4), reservation.ErrDenied)
	}},
}

var associateCases = []testCase{
	{"S1", "Associate comes before bind; later it is out of order.", func(c *computer) {
		e := c.any().open()
		token := e.acquire(c.at(0, 10), nil)
		e.bind(c.port(20), nil)
		e.associate(token, reservation.ErrState)
	}},
	{"S2", `A runtime reservation may be used by the process that acquired it, through any of its
		endpoints, and by no other.`, func(c *computer) {
		p, block := c.any(), c.at(0, 10)
		token := p.open().acquire(block, nil)
		for range 2 {
			e := p.open()
			e.associate(token, nil)
			e.bindAny(block)
		}
		stranger := c.any().open()
		if err := stranger.half.Associate(c.Context(), token); err == nil {
			c.Error("another process may associate the token")
		}
		stranger.bind(c.port(5), reservation.ErrDenied)
	}},
	{"S3", `To acquire is not to associate: the acquirer's own bind to its block is denied until it
		associates.`, func(c *computer) {
		e := c.any().open()
		token := e.acquire(c.at(0, 10), nil)
		e.bind(c.port(0), reservation.ErrDenied)
		e.associate(token, nil)
		e.bind(c.port(0), nil)
	}},
	{"S4", `Several endpoints may carry one token and bind one port; whether the sockets may is for the
		system to say.`, func(c *computer) {
		p := c.any()
		first, second := p.open(), p.open()
		token := first.acquire(c.at(0, 1), nil)
		for _, e := range []*endpoint{first, second} {
			e.associate(token, nil)
			e.share()
			e.bind(c.port(0), nil)
		}
	}},
	{"S5", "A token that names nothing, 0 included, is refused.", func(c *computer) {
		e := c.any().open()
		e.associate(0, reservation.ErrNotFound)
		e.release(0, reservation.ErrNotFound)
		token := e.acquire(c.at(0, 10), nil)
		e.associate(token+1, reservation.ErrNotFound)
		e.release(token, nil)
		e.associate(token, reservation.ErrNotFound)
		e.release(token, reservation.ErrNotFound)
		e.bind(c.port(0), nil)
	}},
	{"S6", "Any elevated process may use any persistent reservation, whoever made it.", func(c *computer) {
		block := c.at(0, 10)
		token := c.admin().create(block, nil)
		other := c.admin()
		e := other.open()
		e.associate(token, nil)
		e.bindAny(block)
		e.close()
		other.remove(block, nil)
	}},
}
