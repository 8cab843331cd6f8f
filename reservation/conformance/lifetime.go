package conformance

import (
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

var lifetimeCases = []testCase{
	{"L1", `A runtime reservation ends with the endpoint that acquired it. Sockets bound from it keep
		their ports.`, func(c *computer) {
		p := c.any()
		holder, member, next := p.open(), p.open(), p.open()
		holder.acquire(c.at(0, 10), nil)
		member.associate(holder.acquire(c.at(10, 10), nil), nil)
		member.bind(c.port(10), nil)
		holder.close()
		next.acquire(c.at(0, 10), nil)
		next.acquire(c.at(10, 10), reservation.ErrInUse)
		next.acquire(c.at(11, 9), nil)
		member.close()
		next.acquire(c.at(10, 1), nil)
	}},
	{"L2", "A process that ends closes its endpoints, with L1's effect.", func(c *computer) {
		ending := c.any()
		e := ending.open()
		e.acquire(c.at(0, 10), nil)
		bound := ending.open()
		bound.bind(c.port(20), nil)
		ending.exit()
		if bound.socket != nil { // which may be the test's own, that has not ended
			require.NoError(c, bound.socket.Close())
		}
		_, err := e.half.Acquire(c.Context(), reservation.Request{First: c.port(30), Count: 1})
		c.require(reservation.ErrClosed, err, "acquire of a process that has ended")
		c.any().open().acquire(c.at(0, 30), nil)
	}},
	{"L3", "Release ends a runtime reservation; only the process that acquired it may.", func(c *computer) {
		p := c.any()
		e := p.open()
		token := e.acquire(c.at(0, 10), nil)
		stranger := c.any().open()
		if err := stranger.half.Release(c.Context(), token); err == nil {
			c.Error("another process may release the token")
		}
		stranger.acquire(c.at(0, 10), reservation.ErrInUse)
		e.release(token, nil)
		e.release(token, reservation.ErrNotFound)
		stranger.acquire(c.at(0, 10), nil)
	}},
	{"L4", "No runtime reservation outlives a boot.", func(c *computer) {
		c.needsReboot()
		e := c.any().open()
		old := e.acquire(c.at(0, 10), nil)
		c.reboot()
		_, err := e.half.Acquire(c.Context(), reservation.Request{First: c.port(30), Count: 1})
		c.require(reservation.ErrClosed, err, "acquire through an endpoint of an earlier boot")
		e = c.any().open()
		e.associate(old, reservation.ErrNotFound)
		e.acquire(c.at(0, 10), nil)
	}},
	{"L5", "An exclusion of the active store ends with the boot, one of the persistent store does not.", func(c *computer) {
		c.needsReboot()
		p := c.admin()
		p.exclude(c.at(0, 10), reservation.ActiveStore, nil)
		p.exclude(c.at(10, 10), reservation.PersistentStore, nil)
		c.reboot()
		p = c.admin()
		p.create(c.at(0, 10), nil)
		p.create(c.at(10, 10), reservation.ErrInUse)
		p.include(c.at(10, 10), reservation.PersistentStore, nil)
	}},
	{"L6", "A dynamic range that was set is kept across boots.", func(c *computer) {
		c.needsReboot()
		want := pool.MustParseRange("40000-40299")
		c.admin().setDynamic(c.protocol, want, nil)
		c.reboot()
		p := c.any()
		got, _ := p.dynamic()
		require.Equal(c, want, got)
		require.Equal(c, want, p.open().acquireAny(want.Count(), nil))
	}},
}

var scopeCases = []testCase{
	{"N1", "TCP and UDP have separate port spaces.", func(c *computer) {
		p := c.admin()
		p.create(c.at(0, 10), nil)
		p.createOf(c.other, c.at(0, 10), nil)
		p.remove(c.at(0, 10), nil)
		p.lookupOf(c.other, c.at(0, 10), nil)
		p.open().bind(c.port(0), nil)
		p.openOf(c.other).bind(c.port(0), reservation.ErrDenied)
		c.occupy(c.other, c.port(20))
		p.create(c.at(20, 1), nil)
	}},
	{"N2", "IPv4 and IPv6 share them: a block has no address family.", func(c *computer) {
		p, block := c.any(), c.at(0, 10)
		token := p.open().acquire(block, nil)
		p.openIPv6().bind(c.port(0), reservation.ErrDenied)
		e := p.openIPv6()
		e.associate(token, nil)
		e.bindAny(block)
		p.openIPv6().bind(c.port(20), nil)
		p.open().acquire(c.at(15, 10), reservation.ErrInUse)
	}},
	{"N3", `The dynamic range is 49152-65535 unless set; it has at least 255 ports and starts at 1025 or
		above; it is set per protocol.`, func(c *computer) {
		p := c.admin()
		before, known := p.dynamic()
		if !known {
			c.Skip("this computer has no function that tells the dynamic range")
		}
		require.Equal(c, reservation.DefaultDynamic, before)
		for _, bad := range []string{"1024-2000", "1025-1278"} {
			p.setDynamic(c.protocol, pool.MustParseRange(bad), reservation.ErrInvalid)
		}
		least := pool.MustParseRange("1025-1279")
		p.setDynamic(c.protocol, least, nil)
		now, _ := p.dynamic()
		require.Equal(c, least, now)
		require.Equal(c, least, p.open().acquireAny(least.Count(), nil))
		beside := p.openOf(c.other).acquireAny(16, nil)
		require.True(c, before.Contains(beside.First()), "the range of %s has not changed", c.other)
	}},
}

var exclusionCases = []testCase{
	{"X1", "An exclusion may not overlap a block, nor a port that a socket is bound to.", func(c *computer) {
		p := c.admin()
		p.create(c.at(0, 10), nil)
		p.open().acquire(c.at(10, 10), nil)
		c.occupy(c.protocol, c.port(25))
		p.exclude(c.at(9, 1), reservation.PersistentStore, reservation.ErrInUse)
		p.exclude(c.at(19, 1), reservation.ActiveStore, reservation.ErrInUse)
		p.exclude(c.at(20, 10), reservation.PersistentStore, reservation.ErrInUse)
		p.exclude(c.at(30, 10), reservation.PersistentStore, nil)
		p.exclude(c.at(30, 10), reservation.ActiveStore, reservation.ErrInUse)
	}},
	{"X2", "Delete wants exactly the range and the store of the add.", func(c *computer) {
		p, r := c.admin(), c.at(0, 10)
		p.exclude(r, reservation.PersistentStore, nil)
		p.include(c.at(0, 9), reservation.PersistentStore, reservation.ErrNotFound)
		p.include(r, reservation.ActiveStore, reservation.ErrNotFound)
		p.include(r, reservation.PersistentStore, nil)
		p.include(r, reservation.PersistentStore, reservation.ErrNotFound)
		p.create(r, nil)
	}},
}
