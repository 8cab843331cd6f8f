package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A computer is a Host as one case sees it. What a case expects of a call is its last argument: nil
// for success, else the condition that the error stands for.
type computer struct {
	*testing.T
	host            *Host
	rule            string
	protocol, other reservation.Protocol // of the case, and the one beside it
	ports           reservation.Range
	policy          reservation.Policy
}

// at returns count ports of the host's, from the one with that number on.
func (c *computer) at(number, count int) reservation.Range {
	c.Helper()
	r, err := pool.RangeFrom(c.ports.First()+uint16(number), count)
	require.NoError(c, err)
	require.LessOrEqual(c, r.Last(), c.ports.Last(), "the host has too few ports")
	return r
}

// port returns one of the host's ports.
func (c *computer) port(number int) uint16 { return c.at(number, 1).First() }

func (c *computer) require(want, got error, format string, arguments ...any) {
	c.Helper()
	if !c.host.is(got, want) {
		c.Fatalf("%s: want %s, got %s", fmt.Sprintf(format, arguments...), outcome(want), outcome(got))
	}
}

func outcome(err error) string {
	if err == nil {
		return "success"
	}
	return fmt.Sprintf("%q", err)
}

// answer compares, or reports, what happened at an open question.
func (c *computer) answer(field string, want, got error, question string) {
	c.Helper()
	if c.host.Observe == nil {
		c.require(want, got, "Policy.%s: %s", field, question)
		return
	}
	c.host.Observe(Finding{
		Rule: c.rule, Field: field, Question: question, Protocol: c.protocol,
		Default: want, Got: got, Agrees: c.host.is(got, want),
	})
}

// allowed returns nil if the policy allows something, else the refusal.
func allowed(allows bool, refusal error) error {
	if allows {
		return nil
	}
	return refusal
}

func (c *computer) reboot() {
	c.Helper()
	if c.host.Reboot == nil {
		c.Skip("this computer cannot be restarted by a test")
	}
	c.host.Reboot(c)
}

// needsReboot is called before anything is done that a case without a restart would leave behind.
func (c *computer) needsReboot() {
	c.Helper()
	if c.host.Reboot == nil {
		c.Skip("this computer cannot be restarted by a test")
	}
}

// occupy binds a port as another program.
func (c *computer) occupy(protocol reservation.Protocol, port uint16) (vacate func()) {
	c.Helper()
	if c.host.Occupy != nil {
		return c.host.Occupy(c, protocol, port)
	}
	e := c.any().openOf(protocol)
	e.bind(port, nil)
	return e.close
}

// A process is one of the host's processes.
type process struct {
	*computer
	*Process
}

// admin starts an elevated process.
func (c *computer) admin() *process { return c.startOf(true) }

// user starts a process that is not elevated.
func (c *computer) user() *process { return c.startOf(false) }

// any starts a process of whatever privilege there is.
func (c *computer) any() *process {
	if p := c.try(false); p != nil {
		return p
	}
	return c.startOf(true)
}

func (c *computer) startOf(elevated bool) *process {
	c.Helper()
	p := c.try(elevated)
	if p == nil {
		c.Skipf("this computer has no process with elevated %t", elevated)
	}
	return p
}

func (c *computer) try(elevated bool) *process {
	p := c.host.Start(c, elevated)
	if p == nil {
		return nil
	}
	c.Cleanup(func() { require.NoError(c, p.API.Close()) })
	return &process{computer: c, Process: p}
}

func (p *process) create(r reservation.Range, want error) reservation.Token {
	p.Helper()
	return p.createOf(p.protocol, r, want)
}

func (p *process) createOf(protocol reservation.Protocol, r reservation.Range, want error) reservation.Token {
	p.Helper()
	token, err := p.API.CreatePersistent(p.Context(), protocol, r, "")
	if err == nil {
		p.Cleanup(func() { p.forget(protocol, r) })
	}
	p.require(want, err, "create %s %s", protocol, r)
	require.Equal(p, want == nil, token != 0, "a token names something exactly on success")
	return token
}

// forget deletes what a case has created and not deleted, on a computer that outlives the case.
func (p *process) forget(protocol reservation.Protocol, r reservation.Range) {
	err := p.API.DeletePersistent(context.Background(), protocol, r)
	if err == nil || p.host.is(err, reservation.ErrNotFound) {
		return
	}
	if fresh := p.host.Start(p, true); fresh != nil { // p has ended
		err = fresh.API.DeletePersistent(context.Background(), protocol, r)
		require.NoError(p, fresh.API.Close())
	}
	if err != nil && !p.host.is(err, reservation.ErrNotFound) {
		p.Errorf("%s %s stays reserved: %v", protocol, r, err)
	}
}

func (p *process) lookup(r reservation.Range, want error) reservation.Token {
	p.Helper()
	return p.lookupOf(p.protocol, r, want)
}

func (p *process) lookupOf(protocol reservation.Protocol, r reservation.Range, want error) reservation.Token {
	p.Helper()
	token, err := p.API.LookupPersistent(p.Context(), protocol, r)
	p.require(want, err, "look up %s %s", protocol, r)
	require.Equal(p, want == nil, token != 0, "a token names something exactly on success")
	return token
}

func (p *process) remove(r reservation.Range, want error) {
	p.Helper()
	p.removeOf(p.protocol, r, want)
}

func (p *process) removeOf(protocol reservation.Protocol, r reservation.Range, want error) {
	p.Helper()
	p.require(want, p.API.DeletePersistent(p.Context(), protocol, r), "delete %s %s", protocol, r)
}

// exclude adds an exclusion. On a computer without a function for it the case is skipped.
func (p *process) exclude(r reservation.Range, store reservation.ExclusionStore, want error) {
	p.Helper()
	err := p.API.AddExclusion(p.Context(), p.protocol, r, store)
	if errors.Is(err, reservation.ErrUnsupported) {
		p.Skip("this computer has no function for exclusions")
	}
	if err == nil {
		p.Cleanup(func() { _ = p.API.DeleteExclusion(context.Background(), p.protocol, r, store) })
	}
	p.require(want, err, "exclude %s %s, %s store", p.protocol, r, store)
}

func (p *process) include(r reservation.Range, store reservation.ExclusionStore, want error) {
	p.Helper()
	p.require(want, p.API.DeleteExclusion(p.Context(), p.protocol, r, store), "delete the exclusion %s %s, %s store", p.protocol, r, store)
}

// A dynamic is a process that tells and sets the dynamic range.
type dynamic interface {
	Dynamic(ctx context.Context, protocol reservation.Protocol) (reservation.Range, error)
	SetDynamic(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error
}

// dynamic returns the dynamic range and true if the computer tells it.
func (p *process) dynamic() (reservation.Range, bool) {
	p.Helper()
	d, tells := p.API.(dynamic)
	if !tells {
		return reservation.Range{}, false
	}
	r, err := d.Dynamic(p.Context(), p.protocol)
	require.NoError(p, err)
	return r, true
}

func (p *process) setDynamic(protocol reservation.Protocol, r reservation.Range, want error) {
	p.Helper()
	d, sets := p.API.(dynamic)
	if !sets {
		p.Skip("this computer has no function that sets the dynamic range")
	}
	p.require(want, d.SetDynamic(p.Context(), protocol, r), "set the dynamic range of %s to %s", protocol, r)
}

// exit ends the process.
func (p *process) exit() {
	p.Helper()
	require.NoError(p, p.API.Close())
}

// An endpoint is the engine's half of a socket, with the other half where the host has one.
type endpoint struct {
	*computer
	half   reservation.Endpoint
	family reservation.Family
	socket reservation.NetworkSocket // nil if the endpoint needs none
}

func (p *process) open() *endpoint {
	p.Helper()
	return p.openOf(p.protocol)
}

func (p *process) openOf(protocol reservation.Protocol) *endpoint {
	p.Helper()
	half, err := p.API.Open(p.Context(), protocol)
	require.NoError(p, err)
	return p.withSocket(half, reservation.IPv4, protocol)
}

// openIPv6 opens an endpoint for IPv6 where endpoints have a family.
func (p *process) openIPv6() *endpoint {
	p.Helper()
	open := p.API.Open
	if p.OpenIPv6 != nil {
		open = p.OpenIPv6
	}
	half, err := open(p.Context(), p.protocol)
	require.NoError(p, err)
	return p.withSocket(half, reservation.IPv6, p.protocol)
}

func (p *process) withSocket(half reservation.Endpoint, family reservation.Family, protocol reservation.Protocol) *endpoint {
	p.Helper()
	e := &endpoint{computer: p.computer, half: half, family: family}
	if p.Network != nil {
		var err error
		e.socket, err = p.Network.OpenSocket(family, protocol)
		require.NoError(p, err)
	}
	p.Cleanup(e.close)
	return e
}

// share lets the sockets of several endpoints share a port.
func (e *endpoint) share() {
	e.Helper()
	switch sharer, shares := e.half.(Sharer); {
	case e.socket != nil:
		require.NoError(e, e.socket.SetOptions(reservation.SocketOptions{ReuseAddress: true}))
	case shares:
		require.NoError(e, sharer.Share())
	}
}

// acquire asks for exactly the ports of r.
func (e *endpoint) acquire(r reservation.Range, want error) reservation.Token {
	e.Helper()
	return e.request(reservation.Request{First: r.First(), Count: r.Count()}, want).Token
}

// acquireAny leaves the choice to the system.
func (e *endpoint) acquireAny(count int, want error) reservation.Range {
	e.Helper()
	return e.request(reservation.Request{Count: count}, want).Range
}

func (e *endpoint) request(request reservation.Request, want error) reservation.Reservation {
	e.Helper()
	got, err := e.half.Acquire(e.Context(), request)
	e.require(want, err, "acquire %d+%d", request.First, request.Count)
	if err != nil {
		return got
	}
	require.NotZero(e, got.Token)
	require.Equal(e, request.Count, got.Range.Count())
	if request.First != 0 {
		require.Equal(e, request.First, got.Range.First())
	}
	return got
}

func (e *endpoint) release(token reservation.Token, want error) {
	e.Helper()
	e.require(want, e.half.Release(e.Context(), token), "release")
}

func (e *endpoint) associate(token reservation.Token, want error) {
	e.Helper()
	e.require(want, e.half.Associate(e.Context(), token), "associate")
}

// bind binds a port, 0 for one of the system's choice, and returns which it was.
func (e *endpoint) bind(port uint16, want error) uint16 {
	e.Helper()
	bound, err := e.tryBind(port)
	e.require(want, err, "bind port %d", port)
	if err == nil && port != 0 {
		require.Equal(e, port, bound)
	}
	return bound
}

// bindAny binds port 0 and requires a port of r.
func (e *endpoint) bindAny(r reservation.Range) uint16 {
	e.Helper()
	bound := e.bind(0, nil)
	require.True(e, r.Contains(bound), "port %d is not of %s", bound, r)
	return bound
}

func (e *endpoint) tryBind(port uint16) (uint16, error) {
	return e.half.Bind(e.Context(), port, func(port uint16) (uint16, error) {
		if e.socket == nil {
			return port, nil
		}
		loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if e.family == reservation.IPv6 {
			loopback = netip.IPv6Loopback()
		}
		if err := e.socket.Bind(netip.AddrPortFrom(loopback, port)); err != nil {
			return 0, err
		}
		return e.socket.LocalAddress().Port(), nil
	})
}

// close closes both halves, as often as it is called.
func (e *endpoint) close() {
	e.Helper()
	if e.socket != nil {
		require.NoError(e, e.socket.Close())
	}
	require.NoError(e, e.half.Close())
}
