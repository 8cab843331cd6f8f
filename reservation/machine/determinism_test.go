package machine_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
)

// A player carries out actions on one machine and remembers what they gave. Two players of one script
// must remember the same.
type player struct {
	machine   *machine.Machine
	processes []*machine.Process
	handles   []*playerHandle
	tokens    []issued
	boots     int
}

// issued is a token, and the boot that it is of.
type issued struct {
	token reservation.Token
	boot  int
}

type playerHandle struct {
	endpoint reservation.Endpoint
	socket   reservation.NetworkSocket
}

// An action is a step of a script: its numbers pick among what there is.
type action struct {
	Verb     int
	Protocol machine.Protocol
	First    uint16
	Count    int
	Which    int
}

var actions = rapid.Custom(func(t *rapid.T) action {
	return action{
		Verb:     rapid.IntRange(0, len(verbs)-1).Draw(t, "verb"),
		Protocol: rapid.SampledFrom([]machine.Protocol{machine.TCP, machine.UDP}).Draw(t, "protocol"),
		First:    rapid.SampledFrom([]uint16{0, 80, 49200, 49202, 50010, 50100, 65535}).Draw(t, "first"),
		Count:    rapid.IntRange(0, 4).Draw(t, "count"),
		Which:    rapid.IntRange(0, 1000).Draw(t, "which"),
	}
})

// verbs is what may happen to a machine. Each returns what a program would see.
var verbs = []func(p *player, a action) string{
	func(p *player, a action) string { // start a program
		q := p.machine.Process([]string{"alice", "bob"}[a.Which%2], machine.Privilege(a.Which%3))
		p.processes = append(p.processes, q)
		return q.String()
	},
	func(p *player, a action) string { p.process(a).Exit(); return "" },
	func(p *player, a action) string {
		token, err := p.process(a).CreatePersistent(context.Background(), a.Protocol, a.ports(), "")
		p.keep(token)
		return fmt.Sprint(token, err)
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.process(a).DeletePersistent(context.Background(), a.Protocol, a.ports()))
	},
	func(p *player, a action) string {
		token, err := p.process(a).LookupPersistent(context.Background(), a.Protocol, a.ports())
		p.keep(token)
		return fmt.Sprint(token, err)
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.process(a).AddExclusion(context.Background(), a.Protocol, a.ports(), reservation.ExclusionStore(a.Which%2)))
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.process(a).DeleteExclusion(context.Background(), a.Protocol, a.ports(), reservation.ExclusionStore(a.Which%2)))
	},
	func(p *player, a action) string { // open a socket
		endpoint, err := p.process(a).Open(context.Background(), a.Protocol)
		if err != nil {
			return err.Error()
		}
		socket, err := p.process(a).OpenSocket(reservation.IPv4, a.Protocol)
		if err == nil {
			p.handles = append(p.handles, &playerHandle{endpoint, socket})
		}
		return fmt.Sprint(err)
	},
	func(p *player, a action) string {
		r, err := p.handle(a).endpoint.Acquire(context.Background(), reservation.Request{First: a.First, Count: a.Count})
		p.keep(r.Token)
		return fmt.Sprint(r, err)
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.handle(a).endpoint.Associate(context.Background(), p.token(a)))
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.handle(a).endpoint.Release(context.Background(), p.token(a)))
	},
	func(p *player, a action) string {
		h := p.handle(a)
		return fmt.Sprint(reservation.BindSocket(context.Background(), h.endpoint, h.socket, netip.AddrPortFrom(netip.IPv4Unspecified(), a.First)))
	},
	func(p *player, a action) string {
		h := p.handle(a)
		return fmt.Sprint(h.socket.Close(), h.endpoint.Close())
	},
	func(p *player, a action) string {
		q, err := p.machine.Occupy(a.Protocol, a.First, "other.exe")
		return fmt.Sprint(q, err)
	},
	func(p *player, a action) string { return fmt.Sprint(p.machine.Vacate(a.Protocol, a.First)) },
	func(p *player, a action) string { return fmt.Sprint(p.machine.Steal(a.Protocol, a.First, a.Count)) },
	func(p *player, a action) string { return fmt.Sprint(p.machine.Install(machine.NATService(a.Count))) },
	func(p *player, a action) string { return fmt.Sprint(p.machine.Install(machine.HNSService())) },
	func(p *player, a action) string { return fmt.Sprint(p.machine.Install(machine.HTTPService(a.First))) },
	func(p *player, a action) string {
		return fmt.Sprint(p.machine.StopService([]string{"winnat", "hns", "http"}[a.Which%3]))
	},
	func(p *player, a action) string {
		return fmt.Sprint(p.machine.StartService([]string{"winnat", "hns", "http"}[a.Which%3]))
	},
	func(p *player, a action) string { p.boots++; return fmt.Sprint(p.machine.Reboot()) },
	func(p *player, a action) string { p.boots++; return fmt.Sprint(p.machine.PowerCut()) },
	func(p *player, a action) string { p.machine.FailNextCommit(errDisk); return "" },
	func(p *player, a action) string { p.machine.CutPowerAtCommit(a.Which%2 == 0); return "" },
	func(p *player, a action) string { p.machine.Advance(time.Minute); return "" },
	func(p *player, a action) string {
		return fmt.Sprint(p.machine.SetDynamic(a.Protocol, pool.MustParseRange("49152+300")))
	},
}

var errDisk = errors.New("disk error")

func (a action) ports() machine.Range {
	r, _ := pool.RangeFrom(a.First, a.Count)
	return r
}

func newPlayer(t require.TestingT, seed uint64) *player {
	m, err := machine.New(machine.Config{Seed: seed})
	require.NoError(t, err)
	p := &player{machine: m, processes: []*machine.Process{m.Process("alice", machine.Elevated)}}
	verbs[7](p, action{Protocol: machine.UDP}) // a handle
	return p
}

func (p *player) process(a action) *machine.Process { return p.processes[a.Which%len(p.processes)] }
func (p *player) handle(a action) *playerHandle     { return p.handles[a.Which%len(p.handles)] }

func (p *player) keep(token reservation.Token) {
	if token != 0 {
		p.tokens = append(p.tokens, issued{token, p.boots})
	}
}

func (p *player) token(a action) reservation.Token {
	if len(p.tokens) == 0 {
		return 0
	}
	return p.tokens[a.Which%len(p.tokens)].token
}

func (p *player) dump() string {
	var b strings.Builder
	p.machine.WriteTo(&b)
	return b.String()
}

// TestMachinesOfOneSeedAreAlike plays one script on two machines: what their programs see, tokens and
// texts included, and their dumps are equal after each step, and the rules that always hold do hold.
func TestMachinesOfOneSeedAreAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		one, two := newPlayer(t, seed), newPlayer(t, seed)
		defer one.machine.Close()
		defer two.machine.Close()
		for _, a := range rapid.SliceOfN(actions, 1, 60).Draw(t, "script") {
			require.Equal(t, verbs[a.Verb](one, a), verbs[a.Verb](two, a))
			require.Equal(t, one.dump(), two.dump())
			one.checkInvariants(t)
			two.checkInvariants(t)
		}
		require.Equal(t, one.tokens, two.tokens)
	})
}

// checkInvariants holds what is true of a machine at any time.
func (p *player) checkInvariants(t *rapid.T) {
	observer := p.machine.Process("observer", machine.Elevated)
	defer observer.Exit()
	blocks, err := observer.List(context.Background(), 0)
	if errors.Is(err, reservation.ErrClosed) {
		return // power is off
	}
	require.NoError(t, err)
	living := map[uint32]bool{4: true}
	for _, line := range strings.Split(p.dump(), "\n") {
		var pid uint32
		if _, err := fmt.Sscanf(line, "process %d ", &pid); err == nil {
			living[pid] = true
		}
	}
	for i, b := range blocks {
		if i > 0 && blocks[i-1].Protocol == b.Protocol {
			require.Less(t, blocks[i-1].Range.Last(), b.Range.First(), "no port has two holders")
		}
		if b.Kind == reservation.Runtime {
			require.True(t, living[b.PID], "%s outlives its process", b)
		}
	}
	for _, held := range p.tokens {
		if held.boot == p.boots {
			continue
		}
		for _, protocol := range pool.Protocols() {
			endpoint, err := observer.Open(context.Background(), protocol)
			require.NoError(t, err)
			require.Error(t, endpoint.Associate(context.Background(), held.token), "no token is valid across a boot")
		}
	}
}

// The pictures that two seeds give differ where chance decides, and nowhere else.
func TestSeedsDiffer(t *testing.T) {
	tokens := make(map[reservation.Token]bool)
	blocks := make(map[machine.Range]bool)
	for seed := range uint64(20) {
		p := newPlayer(t, seed)
		require.NoError(t, p.machine.Install(machine.NATService(1)))
		token, err := p.processes[0].CreatePersistent(t.Context(), machine.UDP, pool.MustParseRange("5000"), "")
		require.NoError(t, err)
		tokens[token] = true
		blocks[rows(t, p.machine, machine.UDP)[1].Range] = true
		require.NoError(t, p.machine.Close())
	}
	require.Len(t, tokens, 20)
	require.Len(t, blocks, 20)
}
