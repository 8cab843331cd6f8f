package reservation_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The model is the slow, obvious engine: a list of blocks and a list of endpoints, looked through
// from one end to the other for every question.
type model struct {
	blocks    []*modelBlock
	endpoints []*modelEndpoint
	strangers map[reservation.Protocol]map[uint16]bool
}

type modelBlock struct {
	protocol    reservation.Protocol
	first, last int
	kind        reservation.Kind
	store       reservation.ExclusionStore
	owner       *modelEndpoint
	token       reservation.Token
}

type modelEndpoint struct {
	real     reservation.Endpoint
	process  int
	protocol reservation.Protocol
	block    *modelBlock
	port     int // bound; 0 if not
	closed   bool
}

const (
	lowPort  = 50000
	highPort = 50031
)

var modelDynamic = pool.MustParseRange("49777-50031") // reaches into the ports that the actions use

func (m *model) blockAt(protocol reservation.Protocol, port int) *modelBlock {
	for _, b := range m.blocks {
		if b.protocol == protocol && b.first <= port && port <= b.last {
			return b
		}
	}
	return nil
}

func (m *model) bound(protocol reservation.Protocol, port int) bool {
	return slices.ContainsFunc(m.endpoints, func(e *modelEndpoint) bool {
		return !e.closed && e.protocol == protocol && e.port == port
	})
}

func (m *model) taken(protocol reservation.Protocol, first, last int) bool {
	for port := first; port <= last; port++ {
		if m.blockAt(protocol, port) != nil || m.bound(protocol, port) || m.strangers[protocol][uint16(port)] {
			return true
		}
	}
	return false
}

func (m *model) find(protocol reservation.Protocol, first, last int, kind reservation.Kind) *modelBlock {
	for _, b := range m.blocks {
		if b.protocol == protocol && b.first == first && b.last == last && b.kind == kind {
			return b
		}
	}
	return nil
}

func (m *model) remove(b *modelBlock) {
	m.blocks = slices.DeleteFunc(m.blocks, func(other *modelBlock) bool { return other == b })
}

func (m *model) close(e *modelEndpoint) {
	e.closed, e.port = true, 0
	for _, b := range slices.Clone(m.blocks) {
		if b.owner == e {
			m.remove(b)
		}
	}
}

// machine drives the engine and the model side by side.
type machine struct {
	model
	journal   *reservation.MemoryJournal
	kernel    *strangers
	keeper    *fakeKeeper // nil if nothing keeps the ports of runtime blocks
	host      *reservation.Host
	processes []*reservation.Process
	boots     byte
}

func (m *machine) boot(t require.TestingT) {
	m.boots++
	var err error
	config := reservation.Config{
		Journal: m.journal, Ports: m.kernel, BootID: string('a' + rune(m.boots)), Rand: rand.NewChaCha8([32]byte{m.boots}),
		Dynamic: map[reservation.Protocol]reservation.Range{reservation.TCP: modelDynamic, reservation.UDP: modelDynamic},
	}
	if m.keeper != nil {
		config.Keeper, config.Ports = m.keeper, m.keeper
	}
	m.host, err = reservation.New(context.Background(), config)
	require.NoError(t, err)
	m.processes = nil
	for i := range 3 {
		m.processes = append(m.processes, m.host.Process(reservation.Caller{PID: uint32(i + 1), Elevated: i < 2}))
	}
}

func (m *machine) agree(t *rapid.T, want string, err error) bool {
	got := "ok"
	if err != nil {
		got = word(err)
	}
	require.Equal(t, want, got, "%v", err)
	return err == nil
}

func word(err error) string {
	for sentinel, word := range map[error]string{
		reservation.ErrInvalid: "invalid", reservation.ErrDenied: "denied", reservation.ErrInUse: "in use",
		reservation.ErrExhausted: "exhausted", reservation.ErrNotFound: "not found", reservation.ErrState: "out of order",
		reservation.ErrClosed: "closed",
	} {
		if errors.Is(err, sentinel) {
			return word
		}
	}
	return err.Error()
}

func drawProtocol(t *rapid.T) reservation.Protocol {
	return rapid.SampledFrom([]reservation.Protocol{reservation.TCP, reservation.UDP}).Draw(t, "protocol")
}

func drawRange(t *rapid.T) reservation.Range {
	first := rapid.IntRange(lowPort, highPort).Draw(t, "first")
	r, err := pool.RangeFrom(uint16(first), rapid.IntRange(1, min(6, highPort-first+1)).Draw(t, "count"))
	require.NoError(t, err)
	return r
}

func (m *machine) drawEndpoint(t *rapid.T) *modelEndpoint {
	if len(m.endpoints) == 0 {
		t.Skip("no endpoint")
	}
	return rapid.SampledFrom(m.endpoints).Draw(t, "endpoint")
}

func (m *machine) drawBlock(t *rapid.T) *modelBlock {
	if len(m.blocks) == 0 {
		t.Skip("no block")
	}
	return rapid.SampledFrom(m.blocks).Draw(t, "block")
}

func (m *machine) Create(t *rapid.T) {
	protocol, r, process := drawProtocol(t), drawRange(t), rapid.IntRange(0, 2).Draw(t, "process")
	kind := rapid.SampledFrom([]reservation.Kind{reservation.Persistent, reservation.Exclusion}).Draw(t, "kind")
	store := rapid.SampledFrom([]reservation.ExclusionStore{reservation.PersistentStore, reservation.ActiveStore}).Draw(t, "store")
	want := "ok"
	switch {
	case process == 2:
		want = "denied"
	case m.taken(protocol, int(r.First()), int(r.Last())):
		want = "in use"
	}
	b := &modelBlock{protocol: protocol, first: int(r.First()), last: int(r.Last()), kind: kind}
	var err error
	if kind == reservation.Persistent {
		b.token, err = m.processes[process].CreatePersistent(context.Background(), protocol, r, "")
	} else {
		b.store = store
		err = m.processes[process].AddExclusion(context.Background(), protocol, r, store)
	}
	if m.agree(t, want, err) {
		m.blocks = append(m.blocks, b)
	}
}

func (m *machine) Delete(t *rapid.T) {
	protocol, r := drawProtocol(t), drawRange(t)
	if len(m.blocks) > 0 && rapid.Bool().Draw(t, "existing") {
		b := m.drawBlock(t)
		protocol, r = b.protocol, mustRange(t, b.first, b.last)
	}
	b := m.find(protocol, int(r.First()), int(r.Last()), reservation.Persistent)
	want := "ok"
	if b == nil {
		want = "not found"
	}
	if m.agree(t, want, m.processes[0].DeletePersistent(context.Background(), protocol, r)) {
		m.remove(b)
	}
}

func mustRange(t require.TestingT, first, last int) reservation.Range {
	r, err := pool.RangeFrom(uint16(first), last-first+1)
	require.NoError(t, err)
	return r
}

func (m *machine) Include(t *rapid.T) {
	b := m.drawBlock(t)
	want := "ok"
	if b.kind != reservation.Exclusion {
		want = "not found"
	}
	err := m.processes[1].DeleteExclusion(context.Background(), b.protocol, mustRange(t, b.first, b.last), b.store)
	if m.agree(t, want, err) {
		m.remove(b)
	}
}

func (m *machine) Lookup(t *rapid.T) {
	b := m.drawBlock(t)
	token, err := m.processes[2].LookupPersistent(context.Background(), b.protocol, mustRange(t, b.first, b.last))
	if b.kind != reservation.Persistent {
		m.agree(t, "not found", err)
		return
	}
	m.agree(t, "ok", err)
	require.Equal(t, b.token, token)
}

func (m *machine) Open(t *rapid.T) {
	e := &modelEndpoint{protocol: drawProtocol(t), process: rapid.IntRange(0, 2).Draw(t, "process")}
	var err error
	e.real, err = m.processes[e.process].Open(context.Background(), e.protocol)
	require.NoError(t, err)
	m.endpoints = append(m.endpoints, e)
}

func (m *machine) Acquire(t *rapid.T) {
	e := m.drawEndpoint(t)
	r := drawRange(t)
	want := "ok"
	switch {
	case e.closed:
		want = "closed"
	case m.taken(e.protocol, int(r.First()), int(r.Last())):
		want = "in use"
	}
	got, err := e.real.Acquire(context.Background(), reservation.Request{First: r.First(), Count: r.Count()})
	if m.agree(t, want, err) {
		require.Equal(t, r, got.Range)
		m.blocks = append(m.blocks, &modelBlock{
			protocol: e.protocol, first: int(r.First()), last: int(r.Last()), kind: reservation.Runtime, owner: e, token: got.Token,
		})
	}
}

func (m *machine) AcquireAny(t *rapid.T) {
	e := m.drawEndpoint(t)
	count, align := rapid.IntRange(1, 200).Draw(t, "count"), rapid.IntRange(0, 4).Draw(t, "align")
	want := "exhausted"
	for first := int(modelDynamic.First()); first+count-1 <= int(modelDynamic.Last()); first++ {
		if first%max(1, align) == 0 && !m.taken(e.protocol, first, first+count-1) {
			want = "ok"
		}
	}
	if e.closed {
		want = "closed"
	}
	got, err := e.real.Acquire(context.Background(), reservation.Request{Count: count, Align: align})
	if m.agree(t, want, err) {
		first, last := int(got.Range.First()), int(got.Range.Last())
		require.True(t, modelDynamic.Covers(got.Range) && got.Range.Count() == count && first%max(1, align) == 0, got.Range)
		require.False(t, m.taken(e.protocol, first, last), got.Range)
		m.blocks = append(m.blocks, &modelBlock{protocol: e.protocol, first: first, last: last, kind: reservation.Runtime, owner: e, token: got.Token})
	}
}

func (m *machine) tokenOutcome(e *modelEndpoint, b *modelBlock) string {
	switch {
	case e.closed:
		return "closed"
	case b.kind == reservation.Exclusion:
		return "not found"
	case b.protocol != e.protocol:
		return "invalid"
	case b.kind == reservation.Runtime && b.owner.process != e.process:
		return "denied"
	}
	return "ok"
}

func (m *machine) Release(t *rapid.T) {
	e, b := m.drawEndpoint(t), m.drawBlock(t)
	want := m.tokenOutcome(e, b)
	if want == "ok" && b.kind == reservation.Persistent {
		want = "invalid"
	}
	if m.agree(t, want, e.real.Release(context.Background(), b.token)) {
		m.remove(b)
	}
}

func (m *machine) Associate(t *rapid.T) {
	e, b := m.drawEndpoint(t), m.drawBlock(t)
	want := m.tokenOutcome(e, b)
	switch {
	case want != "ok":
	case e.port != 0:
		want = "out of order"
	case b.kind == reservation.Persistent && e.process == 2:
		want = "denied"
	}
	if m.agree(t, want, e.real.Associate(context.Background(), b.token)) {
		e.block = b
	}
}

func (m *machine) Bind(t *rapid.T) {
	e := m.drawEndpoint(t)
	port := rapid.OneOf(rapid.Just(0), rapid.IntRange(lowPort, highPort)).Draw(t, "port")
	want := m.bindOutcome(e, port)
	bound, err := e.real.Bind(context.Background(), uint16(port), m.kernel.try(e.protocol))
	if !m.agree(t, want, err) {
		return
	}
	got := int(bound)
	switch {
	case port != 0:
		require.Equal(t, port, got)
	case e.block != nil:
		require.True(t, e.block.first <= got && got <= e.block.last && !m.bound(e.protocol, got), got)
	default:
		require.True(t, modelDynamic.Contains(bound) && !m.taken(e.protocol, got, got), got)
	}
	e.port = got
}

func (m *machine) bindOutcome(e *modelEndpoint, port int) string {
	first, last := int(modelDynamic.First()), int(modelDynamic.Last())
	free := func(port int) bool { return !m.taken(e.protocol, port, port) }
	switch {
	case e.closed:
		return "closed"
	case e.port != 0:
		return "out of order"
	case e.block != nil && !slices.Contains(m.blocks, e.block):
		return "not found"
	case e.block != nil && port != 0 && (port < e.block.first || port > e.block.last):
		if m.blockAt(e.protocol, port) != nil {
			return "denied"
		}
		return "invalid"
	case e.block != nil:
		first, last = e.block.first, e.block.last
		free = func(port int) bool { return !m.bound(e.protocol, port) && !m.strangers[e.protocol][uint16(port)] }
	}
	if port != 0 {
		b := m.blockAt(e.protocol, port)
		switch {
		case e.block == nil && b != nil && b.kind != reservation.Exclusion:
			return "denied"
		case m.strangers[e.protocol][uint16(port)]:
			return "in use"
		}
		return "ok"
	}
	for candidate := first; candidate <= last; candidate++ {
		if free(candidate) {
			return "ok"
		}
	}
	return "exhausted"
}

func (m *machine) Close(t *rapid.T) {
	e := m.drawEndpoint(t)
	require.NoError(t, e.real.Close())
	m.model.close(e)
}

func (m *machine) Exit(t *rapid.T) {
	process := rapid.IntRange(0, 2).Draw(t, "process")
	require.NoError(t, m.processes[process].Close())
	for _, e := range m.endpoints {
		if e.process == process {
			m.model.close(e)
		}
	}
	m.processes[process] = m.host.Process(reservation.Caller{PID: uint32(process + 1), Elevated: process < 2})
	m.endpoints = slices.DeleteFunc(m.endpoints, func(e *modelEndpoint) bool { return e.process == process })
}

func (m *machine) Stranger(t *rapid.T) {
	protocol, port := drawProtocol(t), uint16(rapid.IntRange(lowPort, highPort).Draw(t, "port"))
	if m.bound(protocol, int(port)) {
		t.Skip("bound by us")
	}
	if m.keeper != nil && m.keeper.keeps(protocol, port) {
		t.Skip("kept by us")
	}
	m.strangers[protocol][port] = !m.strangers[protocol][port]
	m.kernel.set(protocol, pool.RangeOf(port), m.strangers[protocol][port])
}

func (m *machine) Reboot(t *rapid.T) {
	require.NoError(t, m.host.Close())
	m.journal = m.journal.Reopen()
	m.boot(t)
	m.endpoints = nil
	m.blocks = slices.DeleteFunc(m.blocks, func(b *modelBlock) bool {
		return b.kind == reservation.Runtime || b.kind == reservation.Exclusion && b.store == reservation.ActiveStore
	})
	for _, b := range m.blocks {
		if b.kind != reservation.Persistent {
			continue
		}
		token, err := m.processes[2].LookupPersistent(context.Background(), b.protocol, mustRange(t, b.first, b.last))
		require.NoError(t, err)
		require.NotEqual(t, b.token, token)
		b.token = token
	}
}

// Check runs after every action: the engine's list is the model's, and its invariants hold.
func (m *machine) Check(t *rapid.T) {
	require.NoError(t, m.host.CheckInvariants())
	shown, err := m.processes[0].List(context.Background(), 0)
	require.NoError(t, err)
	require.Len(t, shown, len(m.blocks))
	for _, b := range shown {
		want := m.find(b.Protocol, int(b.Range.First()), int(b.Range.Last()), b.Kind)
		require.NotNil(t, want, b)
		bound := 0
		for port := want.first; port <= want.last; port++ {
			if m.bound(b.Protocol, port) {
				bound++
			}
		}
		require.Equal(t, bound, b.Bound, b)
	}
	if m.keeper == nil {
		return
	}
	for _, protocol := range []reservation.Protocol{reservation.TCP, reservation.UDP} {
		for port := lowPort; port <= highPort; port++ {
			b := m.blockAt(protocol, port)
			require.Equal(t, b != nil && b.kind == reservation.Runtime, m.keeper.keeps(protocol, uint16(port)), port)
		}
	}
}

func TestEngineAgreesWithTheModel(t *testing.T) {
	t.Run("nothing keeps ports", func(t *testing.T) { agreeWithTheModel(t, false) })
	t.Run("a keeper does", func(t *testing.T) { agreeWithTheModel(t, true) })
}

func agreeWithTheModel(t *testing.T, kept bool) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{journal: reservation.NewMemoryJournal(), kernel: newStrangers()}
		if kept {
			m.keeper = newFakeKeeper(m.kernel)
		}
		m.strangers = map[reservation.Protocol]map[uint16]bool{reservation.TCP: {}, reservation.UDP: {}}
		m.boot(t)
		defer func() { require.NoError(t, m.host.Close()) }()
		actions := rapid.StateMachineActions(m)
		t.Repeat(actions)
	})
}
