// Package conformance is the suite that every port reservation engine passes, whether it is package
// reservation itself, a door over it, a simulated computer, real sockets, or Windows. Each case says
// which rule of docs/semantics.md it holds, in the words of that table.
//
//	func TestConformance(t *testing.T) {
//		conformance.Test(t, func(t testing.TB) *conformance.Host {
//			m := machinetest.New(t)
//			return &conformance.Host{
//				Start: func(_ testing.TB, elevated bool) *conformance.Process {
//					p := m.Process("alice", privilege(elevated))
//					return &conformance.Process{API: p, Network: p}
//				},
//				Reboot: func(t testing.TB) { require.NoError(t, m.Reboot()) },
//			}
//		})
//	}
//
// The suite asks in the engine's terms, [reservation.API] and [reservation.Endpoint]; whoever speaks
// in codes and handles is put behind them by an adapter. What [reservation.Policy] leaves open is
// compared with the host's policy, or, on a system whose answers are to be found out, reported as a
// [Finding].
package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Host is the computer under test. Fields that are nil are what it cannot do: cases that need them
// are skipped and say so.
type Host struct {
	// Start starts a process and returns nil if there can be none of that privilege. Required. The
	// suite closes the process.
	Start func(t testing.TB, elevated bool) *Process

	// Reboot restarts the computer. All processes have ended when it returns.
	Reboot func(t testing.TB)

	// Occupy binds a port as a program does that has never heard of reservations, and returns what
	// ends that program. If it is nil a process of Start does it, through the engine.
	Occupy func(t testing.TB, protocol reservation.Protocol, port uint16) (vacate func())

	// Ports is a range of at least 64 ports that nobody uses and that lies outside the dynamic ranges
	// of both protocols. The zero Range means 20000-20063.
	Ports reservation.Range

	// Policy is the answers that are expected at the open questions; nil means DefaultPolicy.
	Policy *reservation.Policy

	// Observe gets the answers at the open questions, which then may be what they are. If it is nil
	// they must be those of Policy.
	Observe func(Finding)

	// Is reports whether err stands for a condition of package reservation; nil means errors.Is. A
	// door whose codes tell less than the engine's conditions compares codes.
	Is func(err, condition error) bool

	// Except has the rules that cannot hold here, by their ID or by ID and protocol ("S4/tcp"), and why.
	Except map[string]string
}

// A Process is one process of a [Host].
type Process struct {
	// API is the process itself. If it has the methods Dynamic and SetDynamic of
	// [reservation.Process], the cases about the dynamic range use them.
	API reservation.API

	// Network has the sockets that are bound for the endpoints. nil means that the endpoints bind
	// sockets of their own, or none; one that is a [Sharer] is asked to share its port.
	Network reservation.Network

	// OpenIPv6 is API.Open for an IPv6 socket, where endpoints have a family and there is no Network.
	OpenIPv6 func(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error)
}

// A Sharer is an endpoint with a socket of its own that can be told, before it is bound, to share its
// port with others that have been told so: SO_REUSEADDR in the Windows sense.
type Sharer interface {
	Share() error
}

// A Finding is how a computer answered an open question.
type Finding struct {
	Rule     string // ID in docs/semantics.md
	Field    string // of reservation.Policy
	Question string // what was done
	Protocol reservation.Protocol
	Default  error // what Policy expects; nil means success
	Got      error // what happened; nil means success
	Agrees   bool  // both are the same
}

// A testCase holds one rule, or asks one open question.
type testCase struct {
	rule  string // its ID in docs/semantics.md
	about string // the rule
	run   func(c *computer)
}

// Test runs the suite, each case with UDP and with TCP. NewHost makes the computer for one case; it
// lasts as long as the test it is given. A computer that outlives its case, as a real one does, is left
// as it was: the suite deletes what it has created.
func Test(t *testing.T, newHost func(t testing.TB) *Host) {
	for _, tc := range cases() {
		t.Run(tc.rule, func(t *testing.T) {
			for _, protocol := range pool.Protocols() {
				t.Run(protocol.String(), func(t *testing.T) { tc.test(t, newHost(t), protocol) })
			}
		})
	}
}

func cases() []testCase {
	var all []testCase
	for _, part := range [][]testCase{
		persistentCases, privilegeCases, acquireCases, associateCases, bindCases, lifetimeCases, scopeCases,
		exclusionCases, questionCases,
	} {
		all = append(all, part...)
	}
	return all
}

func (tc testCase) test(t *testing.T, host *Host, protocol reservation.Protocol) {
	for _, name := range []string{tc.rule, tc.rule + "/" + protocol.String()} {
		if reason, excepted := host.Except[name]; excepted {
			t.Skipf("rule %s cannot hold here: %s", tc.rule, reason)
		}
	}
	t.Logf("rule %s: %s", tc.rule, strings.Join(strings.Fields(tc.about), " "))
	c := &computer{T: t, host: host, rule: tc.rule, protocol: protocol, other: reservation.TCP}
	if protocol == reservation.TCP {
		c.other = reservation.UDP
	}
	if c.ports = host.Ports; !c.ports.IsValid() {
		c.ports = pool.MustParseRange("20000-20063")
	}
	if c.policy = reservation.DefaultPolicy(); host.Policy != nil {
		c.policy = *host.Policy
	}
	tc.run(c)
}

func (h *Host) is(err, condition error) bool {
	if condition == nil || err == nil {
		return condition == nil && err == nil
	}
	if h.Is != nil {
		return h.Is(err, condition)
	}
	return errors.Is(err, condition)
}
