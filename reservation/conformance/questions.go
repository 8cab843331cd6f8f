package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// questionCases ask what reservation.Policy answers. What follows an answer is checked where the
// computer gave that answer.
var questionCases = []testCase{
	{"A2", `An associated endpoint that binds outside its block is denied if the port is in another
		block, else its argument is invalid.`, func(c *computer) {
		p := c.any()
		p.open().acquire(c.at(10, 10), nil)
		e := p.open()
		e.associate(e.acquire(c.at(0, 10), nil), nil)
		_, err := e.tryBind(c.port(10))
		c.answer("BindOutsideForeign", c.policy.BindOutsideForeign, err, "associated, bind a port of another block")
		e = p.open()
		e.associate(e.acquire(c.at(30, 10), nil), nil)
		_, err = e.tryBind(c.port(25))
		c.answer("BindOutside", c.policy.BindOutside, err, "associated, bind a free port outside the block")
	}},
	{"A3", "A full block is exhausted, not in use.", func(c *computer) {
		p := c.any()
		token := p.open().acquire(c.at(0, 1), nil)
		first, second := p.open(), p.open()
		first.associate(token, nil)
		first.bindAny(c.at(0, 1))
		second.associate(token, nil)
		_, err := second.tryBind(0)
		c.answer("BindExhausted", c.policy.BindExhausted, err, "associated, bind port 0, the block is full")
	}},
	{"A4", "A wildcard acquire without room is exhausted, not in use.", func(c *computer) {
		p := c.any()
		count := 60000 // more than any dynamic range that a computer is likely to have
		if r, known := p.dynamic(); known {
			count = r.Count() + 1
		}
		_, err := p.open().half.Acquire(c.Context(), reservation.Request{Count: count})
		c.answer("AcquireExhausted", c.policy.AcquireExhausted, err, "acquire more ports than there are, at any port")
	}},
	{"A6", "Another process's runtime token is denied, not invalid.", func(c *computer) {
		token := c.any().open().acquire(c.at(0, 1), nil)
		e := c.any().open()
		c.answer("ForeignToken", c.policy.ForeignToken, e.half.Associate(c.Context(), token), "associate another process's runtime token")
		c.answer("ForeignToken", c.policy.ForeignToken, e.half.Release(c.Context(), token), "release another process's runtime token")
	}},
	{"A7", "The last of several associates counts.", func(c *computer) {
		p := c.any()
		e, holder := p.open(), p.open()
		first, second := holder.acquire(c.at(0, 1), nil), holder.acquire(c.at(1, 1), nil)
		e.associate(first, nil)
		err := e.half.Associate(c.Context(), second)
		c.answer("AssociateAgain", allowed(c.policy.AssociateAgain, reservation.ErrState), err, "associate a second token")
		port, want := e.bind(0, nil), c.port(0)
		if err == nil {
			want = c.port(1)
		}
		if port != want && c.host.Observe == nil {
			c.Errorf("bound port %d, want %d", port, want)
		}
		c.Logf("after two associates, the second of which ended in %s, bind took port %d of the two ports %s", outcome(err), port, c.at(0, 2))
	}},
	{"A9", `A block may be released while sockets are bound from it: they keep their ports, the rest is
		free.`, func(c *computer) {
		p := c.any()
		e := p.open()
		token := e.acquire(c.at(0, 10), nil)
		e.associate(token, nil)
		e.bind(c.port(0), nil)
		err := e.half.Release(c.Context(), token)
		c.answer("ReleaseBound", allowed(c.policy.ReleaseBound, reservation.ErrInUse), err, "release a block with a bound socket")
		if err == nil {
			p.open().acquire(c.at(0, 10), reservation.ErrInUse)
			p.open().acquire(c.at(1, 9), nil)
		}
	}},
	{"A10", "A persistent token cannot be released; the reservation stays.", func(c *computer) {
		p := c.admin()
		token := p.create(c.at(0, 10), nil)
		err := p.open().half.Release(c.Context(), token)
		c.answer("ReleasePersistent", c.policy.ReleasePersistent, err, "release a persistent token")
		if err != nil {
			require.Equal(c, token, p.lookup(c.at(0, 10), nil))
		}
	}},
	{"A11", "A persistent reservation may be deleted while sockets are bound from it, as in A9.", func(c *computer) {
		p, block := c.admin(), c.at(0, 10)
		token := p.create(block, nil)
		e, late := p.open(), p.open()
		e.associate(token, nil)
		e.bind(c.port(0), nil)
		late.associate(token, nil)
		err := p.API.DeletePersistent(c.Context(), c.protocol, block)
		c.answer("DeleteBound", allowed(c.policy.DeleteBound, reservation.ErrInUse), err, "delete a block with a bound socket")
		if err == nil {
			p.lookup(block, reservation.ErrNotFound)
			p.create(block, reservation.ErrInUse)
			p.create(c.at(1, 9), nil)
		}
	}},
	{"A16", "A persistent reservation cannot be deleted as an exclusion: it is not found among them.", func(c *computer) {
		p, block := c.admin(), c.at(0, 10)
		p.exclude(c.at(20, 1), reservation.PersistentStore, nil) // or the case is skipped
		p.create(block, nil)
		err := p.API.DeleteExclusion(c.Context(), c.protocol, block, reservation.PersistentStore)
		c.answer("DeleteReservationAsExclusion", c.policy.DeleteReservationAsExclusion, err, "delete a persistent reservation as an exclusion")
		p.lookup(block, nil)
	}},
	{"A17", "An endpoint may acquire after it was bound.", func(c *computer) {
		e := c.any().open()
		e.bind(c.port(20), nil)
		_, err := e.half.Acquire(c.Context(), reservation.Request{First: c.port(0), Count: 10})
		c.answer("AcquireBound", allowed(c.policy.AcquireBound, reservation.ErrState), err, "acquire through a bound socket")
	}},
	{"A20", "A specific acquire does not look at the other protocol.", func(c *computer) {
		p := c.any()
		p.openOf(c.other).acquire(c.at(0, 10), nil)
		_, err := p.open().half.Acquire(c.Context(), reservation.Request{First: c.port(0), Count: 10})
		c.answer("AcquireAcrossProtocols", allowed(!c.policy.AcquireAcrossProtocols, reservation.ErrInUse), err,
			"acquire ports that are reserved for the other protocol")
	}},
	{"A21", "A token of the other protocol is an invalid argument.", func(c *computer) {
		p := c.any()
		token := p.openOf(c.other).acquire(c.at(0, 10), nil)
		e := p.open()
		c.answer("OtherProtocolToken", c.policy.OtherProtocolToken, e.half.Associate(c.Context(), token), "associate a token of the other protocol")
		c.answer("OtherProtocolToken", c.policy.OtherProtocolToken, e.half.Release(c.Context(), token), "release a token of the other protocol")
	}},
	{"A26", "Bad arguments are reported before missing privileges.", func(c *computer) {
		want := reservation.ErrDenied
		if c.policy.ArgumentsFirst {
			want = reservation.ErrInvalid
		}
		p := c.user()
		_, err := p.API.CreatePersistent(c.Context(), c.protocol, reservation.Range{}, "")
		c.answer("ArgumentsFirst", want, err, "create a block without ports, not elevated")
		err = p.API.DeletePersistent(c.Context(), c.protocol, reservation.Range{})
		c.answer("ArgumentsFirst", want, err, "delete a block without ports, not elevated")
	}},
	{"A32", "Any endpoint of the acquiring process may release.", func(c *computer) {
		p := c.any()
		holder := p.open()
		token := holder.acquire(c.at(0, 10), nil)
		err := p.open().half.Release(c.Context(), token)
		c.answer("ReleaseElsewhere", allowed(c.policy.ReleaseElsewhere, reservation.ErrInvalid), err, "release through another socket of the process")
		if err != nil {
			holder.release(token, nil)
		}
	}},
}
