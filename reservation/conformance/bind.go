package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

var bindCases = []testCase{
	{"B1", "Associated, port 0: a free port of the block.", func(c *computer) {
		p, block := c.any(), c.at(0, 4)
		token := p.open().acquire(block, nil)
		seen := map[uint16]bool{}
		for range block.Count() {
			e := p.open()
			e.associate(token, nil)
			seen[e.bindAny(block)] = true
		}
		require.Len(c, seen, block.Count(), "each port once")
	}},
	{"B2", "Associated, port 0, every port of the block bound: it fails.", func(c *computer) {
		p, block := c.any(), c.at(0, 2)
		token := p.open().acquire(block, nil)
		members := []*endpoint{p.open(), p.open(), p.open()}
		for _, e := range members {
			e.associate(token, nil)
		}
		first := members[0].bindAny(block)
		members[1].bindAny(block)
		if _, err := members[2].tryBind(0); err == nil {
			c.Fatal("a third endpoint got a port of a block of two")
		}
		members[0].close()
		require.Equal(c, first, members[2].bindAny(block), "the one that is free again")
	}},
	{"B3", "Associated, a port of the block: exactly that port, if no other socket is in the way.", func(c *computer) {
		p := c.any()
		token := p.open().acquire(c.at(0, 10), nil)
		e := p.open()
		e.associate(token, nil)
		e.bind(c.port(7), nil)
		last := p.open()
		last.associate(token, nil)
		last.bind(c.port(9), nil)
	}},
	{"B4", "Associated, a port outside the block: it fails.", func(c *computer) {
		e := c.any().open()
		e.associate(e.acquire(c.at(0, 10), nil), nil)
		for _, number := range []int{10, 20} {
			if _, err := e.tryBind(c.port(number)); err == nil {
				c.Fatalf("bound port %d, which is not of the block", c.port(number))
			}
		}
		e.bind(c.port(9), nil)
	}},
	{"B5", `Not associated, a port of a runtime reservation: denied, the acquirer's own process
		included.`, func(c *computer) {
		p := c.any()
		p.open().acquire(c.at(0, 10), nil)
		p.open().bind(c.port(0), reservation.ErrDenied)
		c.any().open().bind(c.port(9), reservation.ErrDenied)
		p.open().bind(c.port(10), nil)
	}},
	{"B6", "Not associated, a port of a persistent reservation: denied.", func(c *computer) {
		p := c.admin()
		p.create(c.at(0, 10), nil)
		p.open().bind(c.port(0), reservation.ErrDenied)
		c.any().open().bind(c.port(9), reservation.ErrDenied)
		p.open().bind(c.port(10), nil)
	}},
	{"B7", "Not associated, a port of an exclusion: it succeeds, for anyone.", func(c *computer) {
		c.admin().exclude(c.at(0, 10), reservation.ActiveStore, nil)
		c.any().open().bind(c.port(0), nil)
	}},
	{"B8", "Not associated, port 0: a port of the dynamic range that belongs to no block of any kind.", func(c *computer) {
		p := c.any()
		block := p.open().acquireAny(200, nil)
		within, known := p.dynamic()
		for range 20 {
			port := p.open().bind(0, nil)
			require.False(c, block.Contains(port), "port %d is of the reserved %s", port, block)
			require.True(c, !known || within.Contains(port), "port %d is not of the dynamic range %s", port, within)
		}
	}},
	{"B9", "A second bind of an endpoint is out of order.", func(c *computer) {
		e := c.any().open()
		e.bind(c.port(0), nil)
		e.bind(c.port(1), reservation.ErrState)
		e.bind(0, reservation.ErrState)
		e.close()
		e.bind(c.port(0), reservation.ErrClosed)
	}},
}
