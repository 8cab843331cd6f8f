package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/win32"
	"github.com/berthkit/berth/sockets/winsock"
)

// A trial is one simulated computer beside its model, and the processes that call its doors.
type trial struct {
	t       reporter
	random  *rand.Rand
	machine *machine.Machine
	watch   *machine.Process // looks and does nothing
	seats   []*seat
	model   *model
	calls   int
	trace   []string // the latest calls, for the message of a difference
	seen    map[win32.Errno]int
}

// A reporter is told of a difference; a test, or who wants to see one.
type reporter interface {
	Errorf(format string, arguments ...any)
	FailNow()
	Helper()
}

// A seat is where processes of one user and privilege run, one after the other.
type seat struct {
	number    int
	user      string
	privilege machine.Privilege
	program   *machine.Process
	dll       *iphlpapi.DLL
	winsock   *winsock.Process
	handles   []handle
}

// A handle is a number and what it names in the model, nil if it is closed.
type handle struct {
	number winsock.Handle
	socket *modelSocket
}

func (s *seat) elevated() bool { return s.privilege == machine.Elevated }

const (
	firstDynamic = 49790 // 255 ports, the fewest, that reach into those that the calls name
	lastDynamic  = firstDynamic + reservation.MinDynamicCount - 1
	firstNamed   = 50030
	named        = 32
	mostHandles  = 8 // of a process
	mostRecords  = 24
	traced       = 40
)

func newTrial(t reporter, seed uint64, policy *reservation.Policy, seen map[win32.Errno]int) *trial {
	dynamic, err := pool.RangeFrom(firstDynamic, reservation.MinDynamicCount)
	require.NoError(t, err)
	m, err := machine.New(machine.Config{
		Seed:    seed,
		Dynamic: map[reservation.Protocol]reservation.Range{reservation.TCP: dynamic, reservation.UDP: dynamic},
		Policy:  policy,
	})
	require.NoError(t, err)
	tr := &trial{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), machine: m, model: newModel(firstDynamic, lastDynamic), seen: seen,
	}
	for i, who := range []struct {
		user      string
		privilege machine.Privilege
	}{
		{"ada", machine.Elevated}, {"ada", machine.Plain}, {"ada", machine.Administrator}, {"bob", machine.Elevated},
		{"bob", machine.Plain}, {"cid", machine.Elevated}, {"cid", machine.Plain}, {"dan", machine.Plain},
	} {
		tr.seats = append(tr.seats, &seat{number: i, user: who.user, privilege: who.privilege})
		tr.begin(tr.seats[i])
	}
	tr.watch = m.Process("watch", machine.Plain)
	return tr
}

func (tr *trial) begin(s *seat) {
	s.program = tr.machine.Process(s.user, s.privilege)
	s.dll, s.winsock = iphlpapi.New(s.program), winsock.New(s.program, s.program)
	s.handles = nil
}

func (tr *trial) end() { require.NoError(tr.t, tr.machine.Close()) }

// note keeps a call for the message of a difference.
func (tr *trial) note(format string, arguments ...any) {
	tr.trace = append(tr.trace, fmt.Sprintf(format, arguments...))
	if len(tr.trace) > traced {
		tr.trace = tr.trace[1:]
	}
}

func (tr *trial) fail(format string, arguments ...any) {
	tr.t.Helper()
	tr.t.Errorf("%s\nafter %d calls, the latest last:\n%s", fmt.Sprintf(format, arguments...), tr.calls, strings.Join(tr.trace, "\n"))
	tr.t.FailNow()
}

// check counts a call of a door and compares its code with those that the model allows.
func (tr *trial) check(got win32.Errno, allowed codes, format string, arguments ...any) bool {
	tr.t.Helper()
	tr.calls++
	tr.seen[got]++
	tr.note("%s -> %d", fmt.Sprintf(format, arguments...), uint32(got))
	if !slices.Contains(allowed, got) {
		tr.fail("the door returned %d (%s), the model allows %d", uint32(got), got.Name(), allowed)
	}
	return got == win32.ERROR_SUCCESS
}

// errno returns the code of an error of package winsock, which returns nothing else.
func errno(err error) win32.Errno {
	if err == nil {
		return win32.ERROR_SUCCESS
	}
	return err.(win32.Errno)
}

// Choices.

func choose[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (tr *trial) protocol() reservation.Protocol {
	return choose(tr.random, reservation.TCP, reservation.UDP)
}

func (tr *trial) seat() *seat { return choose(tr.random, tr.seats...) }

// administrator chooses one that may do everything, mostly.
func (tr *trial) administrator() *seat {
	s := tr.seat()
	for tr.random.IntN(4) > 0 && !s.elevated() {
		s = tr.seat()
	}
	return s
}

// user chooses one that has a handle, and the handle, mostly; of an unbound socket if that is asked.
func (tr *trial) user(unbound bool) (*seat, handle) {
	s := tr.seat()
	h := tr.socket(s)
	for range 6 {
		if h.socket != nil && (!unbound || h.socket.port == 0 || tr.random.IntN(10) == 0) {
			break
		}
		s = tr.seat()
		h = tr.socket(s)
	}
	return s, h
}

// block chooses a first port and a count: mostly few ports among few, so that blocks meet.
func (tr *trial) block(wildcard bool) (first, count int) {
	r := tr.random
	first, count = firstNamed+r.IntN(named), 1+r.IntN(5)
	switch r.IntN(40) {
	case 0:
		first = 0
	case 1:
		count = 0
	case 2:
		first = 65530 + r.IntN(6)
	case 3:
		first, count = r.IntN(65536), r.IntN(65536)
	case 4:
		first = firstDynamic + r.IntN(reservation.MinDynamicCount)
	case 5:
		count = 20 + r.IntN(40)
	}
	if wildcard && r.IntN(3) == 0 {
		first = 0
		if r.IntN(6) == 0 {
			count = 40 + r.IntN(230)
		}
	}
	if len(tr.model.records) > mostRecords {
		count += 30 // more likely to be refused
	}
	return first, min(count, 65535)
}

// existing chooses the block of a record, or a part of one, else any.
func (tr *trial) existing(kind recordKind) (protocol reservation.Protocol, first, count int) {
	var records []*record
	for _, r := range tr.model.records {
		if r.kind == kind {
			records = append(records, r)
		}
	}
	if len(records) == 0 || tr.random.IntN(5) == 0 {
		first, count = tr.block(false)
		return tr.protocol(), first, count
	}
	r := choose(tr.random, records...)
	first, count = r.first, r.last-r.first+1
	switch tr.random.IntN(12) {
	case 0:
		first++
	case 1:
		count++
	case 2:
		return tr.protocol(), first, count
	}
	return r.protocol, first, count
}

// token chooses one that is alive, dead, of an earlier boot, or nobody's.
func (tr *trial) token(s *modelSocket) uint64 {
	var own, others []uint64
	for _, r := range tr.model.records {
		switch {
		case r.token == 0:
		case s != nil && r.protocol == s.protocol && (r.kind == persistentRecord || r.owner == s.process):
			own = append(own, r.token)
		default:
			others = append(others, r.token)
		}
	}
	switch n := tr.random.IntN(20); {
	case n == 0:
		return choose(tr.random, 0, tr.random.Uint64())
	case n == 1 && len(tr.model.archived) > 0:
		return choose(tr.random, tr.model.archived...)
	case n < 6 && len(others) > 0 || len(own) == 0 && len(others) > 0:
		return choose(tr.random, others...)
	case len(own) > 0:
		return choose(tr.random, own...)
	}
	return tr.random.Uint64()
}

// socket chooses a handle of a process; its socket is nil if it names none.
func (tr *trial) socket(s *seat) handle {
	if len(s.handles) == 0 || tr.random.IntN(100) == 0 {
		return handle{winsock.Handle(tr.random.IntN(1<<16))*4 + 2, nil} // no handle has these lowest bits
	}
	return choose(tr.random, s.handles...)
}

// keepToken remembers a token and requires that it is new.
func (tr *trial) keepToken(token uint64) {
	if token == 0 || tr.model.tokens[token] {
		tr.fail("token %#x is 0 or was given before", token)
	}
	tr.model.tokens[token] = true
}

// verify compares all blocks with the model's and holds the invariants of the history.
func (tr *trial) verify() {
	blocks, err := tr.watch.List(context.Background(), 0)
	if err != nil {
		tr.fail("list: %v", err)
	}
	if len(blocks) != len(tr.model.records) {
		tr.fail("the machine has %d blocks, the model %d", len(blocks), len(tr.model.records))
	}
	kinds := map[recordKind]reservation.Kind{
		persistentRecord: reservation.Persistent, runtimeRecord: reservation.Runtime, exclusionRecord: reservation.Exclusion,
	}
	for i, b := range blocks {
		if i > 0 && blocks[i-1].Protocol == b.Protocol && blocks[i-1].Range.Last() >= b.Range.First() {
			tr.fail("two hold one port: %s; %s", blocks[i-1], b)
		}
		r := tr.model.recordAt(b.Protocol, int(b.Range.First()))
		if r == nil || kinds[r.kind] != b.Kind || r.first != int(b.Range.First()) || r.last != int(b.Range.Last()) {
			tr.fail("the model does not have: %s", b)
		}
		if r.kind == runtimeRecord && !slices.Contains(tr.model.sockets, r.socket) {
			tr.fail("outlives its socket: %s", b)
		}
	}
}

// verifySockets compares all bound ports with the model's.
func (tr *trial) verifySockets() {
	for _, protocol := range pool.Protocols() {
		explanation, err := tr.watch.Explain(context.Background(), protocol, pool.AllPorts)
		if err != nil {
			tr.fail("explain: %v", err)
		}
		bound, want := map[uint16]bool{}, map[uint16]bool{}
		for _, holder := range explanation.InUse {
			bound[holder.Port] = true
		}
		for _, s := range tr.model.sockets {
			if s.protocol == protocol && s.port != 0 {
				want[uint16(s.port)] = true
			}
		}
		if !maps.Equal(want, bound) {
			tr.fail("%s ports bound on the machine: %v, in the model: %v", protocol, bound, want)
		}
	}
}
