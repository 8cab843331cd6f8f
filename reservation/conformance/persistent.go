package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

var persistentCases = []testCase{
	{"C1", "A first port of 0, no port at all, or a range that runs past port 65535 is invalid.", func(c *computer) {
		p := c.admin()
		p.create(reservation.Range{}, reservation.ErrInvalid)
		p.lookup(reservation.Range{}, reservation.ErrInvalid)
		p.remove(reservation.Range{}, reservation.ErrInvalid)
	}},
	{"C2", `A range that equals or overlaps a persistent reservation of the same protocol is in use.
		Creating the same block twice is no success.`, func(c *computer) {
		p := c.admin()
		p.create(c.at(10, 10), nil)
		p.create(c.at(10, 10), reservation.ErrInUse)
		p.create(c.at(0, 11), reservation.ErrInUse)
		p.create(c.at(19, 1), reservation.ErrInUse)
		p.create(c.at(0, 40), reservation.ErrInUse)
		p.create(c.at(0, 10), nil)
		p.create(c.at(20, 10), nil)
	}},
	{"C3", "So is one that overlaps a runtime reservation or an exclusion.", func(c *computer) {
		p := c.admin()
		p.open().acquire(c.at(0, 10), nil)
		p.create(c.at(5, 10), reservation.ErrInUse)
		p.create(c.at(10, 10), nil)
		p.exclude(c.at(20, 10), reservation.ActiveStore, nil)
		p.create(c.at(29, 1), reservation.ErrInUse)
		p.create(c.at(30, 1), nil)
	}},
	{"C4", "So is one with a port that a socket is bound to.", func(c *computer) {
		p := c.admin()
		vacate := c.occupy(c.protocol, c.port(5))
		p.create(c.at(0, 10), reservation.ErrInUse)
		vacate()
		e := p.open()
		e.bind(c.port(6), nil)
		p.create(c.at(0, 10), reservation.ErrInUse)
		e.close()
		p.create(c.at(0, 10), nil)
	}},
	{"C5", "Create and lookup return the same token throughout a boot; it is never 0.", func(c *computer) {
		p, block := c.admin(), c.at(0, 10)
		token := p.create(block, nil)
		require.Equal(c, token, p.lookup(block, nil))
		require.Equal(c, token, c.admin().lookup(block, nil))
		require.NotEqual(c, token, p.create(c.at(10, 10), nil), "two reservations, two tokens")
	}},
	{"C6", "Lookup wants exactly the range that was created; a part of it, or more, is not found.", func(c *computer) {
		p := c.admin()
		p.create(c.at(10, 10), nil)
		p.lookup(c.at(10, 9), reservation.ErrNotFound)
		p.lookup(c.at(9, 11), reservation.ErrNotFound)
		p.lookup(c.at(15, 1), reservation.ErrNotFound)
		p.lookup(c.at(40, 10), reservation.ErrNotFound)
		p.lookupOf(c.other, c.at(10, 10), reservation.ErrNotFound)
		p.open().acquire(c.at(30, 5), nil)
		p.lookup(c.at(30, 5), reservation.ErrNotFound)
	}},
	{"C7", "So does delete.", func(c *computer) {
		p := c.admin()
		p.create(c.at(10, 10), nil)
		p.remove(c.at(10, 9), reservation.ErrNotFound)
		p.remove(c.at(9, 12), reservation.ErrNotFound)
		p.removeOf(c.other, c.at(10, 10), reservation.ErrNotFound)
		p.remove(c.at(10, 10), nil)
		p.remove(c.at(10, 10), reservation.ErrNotFound)
		p.lookup(c.at(10, 10), reservation.ErrNotFound)
		p.create(c.at(10, 10), nil)
	}},
	{"C8", "Port 65535 alone and 1-65535 as a whole are valid.", func(c *computer) {
		p := c.admin()
		p.create(pool.RangeOf(pool.MaxPort), nil)
		p.remove(pool.RangeOf(pool.MaxPort), nil)
		p.create(pool.AllPorts, nil)
		p.lookup(pool.AllPorts, nil)
	}},
	{"C9", `A boot gives every persistent reservation a new token; the old one is refused, here with an
		error of its own.`, func(c *computer) {
		c.needsReboot()
		block := c.at(0, 10)
		old := c.admin().create(block, nil)
		c.reboot()
		p := c.admin()
		token := p.lookup(block, nil)
		require.NotEqual(c, old, token)
		e := p.open()
		e.associate(old, reservation.ErrTokenStale)
		e.release(old, reservation.ErrTokenStale)
		e.associate(token, nil)
		e.bindAny(block)
	}},
	{"C10", "Persistent reservations are there again after a boot.", func(c *computer) {
		c.needsReboot()
		p := c.admin()
		p.create(c.at(0, 10), nil)
		p.createOf(c.other, c.at(20, 10), nil)
		c.reboot()
		p = c.admin()
		p.lookup(c.at(0, 10), nil)
		p.lookupOf(c.other, c.at(20, 10), nil)
		p.create(c.at(9, 2), reservation.ErrInUse)
		p.open().bind(c.port(3), reservation.ErrDenied)
	}},
	{"C11", "A reservation that was deleted and made again has another token.", func(c *computer) {
		p, block := c.admin(), c.at(0, 10)
		old := p.create(block, nil)
		p.remove(block, nil)
		require.NotEqual(c, old, p.create(block, nil))
		p.open().associate(old, reservation.ErrNotFound)
	}},
}

var privilegeCases = []testCase{
	{"P1", "Create and delete want an elevated administrator; others are denied.", func(c *computer) {
		user, block := c.user(), c.at(0, 10)
		user.create(block, reservation.ErrDenied)
		user.remove(block, reservation.ErrDenied)
		admin := c.admin()
		admin.create(block, nil)
		user.create(c.at(20, 1), reservation.ErrDenied)
		user.remove(block, reservation.ErrDenied)
		admin.lookup(block, nil)
	}},
	{"P2", "Anyone may look up.", func(c *computer) {
		user, block := c.user(), c.at(0, 10)
		user.lookup(block, reservation.ErrNotFound)
		token := c.admin().create(block, nil)
		require.Equal(c, token, user.lookup(block, nil))
	}},
	{"P3", "Anyone may acquire.", func(c *computer) {
		e := c.user().open()
		token := e.acquire(c.at(0, 10), nil)
		e.acquireAny(10, nil)
		e.associate(token, nil)
		e.bindAny(c.at(0, 10))
	}},
	{"P4", "To associate a persistent token wants an elevated administrator; others are denied.", func(c *computer) {
		user := c.user()
		admin := c.admin()
		token := admin.create(c.at(0, 10), nil)
		e := user.open()
		e.associate(token, reservation.ErrDenied)
		e.bind(c.port(0), reservation.ErrDenied)
		admin.open().associate(token, nil)
	}},
	{"P5", "To add or delete an exclusion, or to set the dynamic range, wants elevation.", func(c *computer) {
		user := c.user()
		user.exclude(c.at(0, 10), reservation.PersistentStore, reservation.ErrDenied)
		c.admin().exclude(c.at(0, 10), reservation.PersistentStore, nil)
		user.include(c.at(0, 10), reservation.PersistentStore, reservation.ErrDenied)
		user.setDynamic(c.protocol, pool.MustParseRange("40000-40299"), reservation.ErrDenied)
	}},
	{"P6", "Ports below 1024 want no privilege: Windows has no privileged ports.", func(c *computer) {
		// 1021 and 1022 are the end of a range that nobody was given.
		c.any().open().acquire(pool.MustParseRange("1021-1022"), nil)
	}},
}
