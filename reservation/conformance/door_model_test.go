package conformance_test

import (
	"slices"
	"strings"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// The model is what Microsoft's pages and the observations behind docs/semantics.md say, port by port
// and as slow as they read. It shares no code with the engine, the machine or the doors: it knows
// lists of records and sockets and looks through them from one end to the other. A model's function
// returns the codes that a call may end in; more than one stands where nobody has said which of two
// reasons for a refusal comes first. The test then tells the model what happened.
type model struct {
	dynamic  map[reservation.Protocol][2]int // first and last port
	records  []*record
	sockets  []*modelSocket // those with a handle
	tokens   map[uint64]bool
	archived []uint64 // tokens of earlier boots, the latest last
}

type recordKind byte

const (
	persistentRecord recordKind = 'p'
	runtimeRecord    recordKind = 'r'
	exclusionRecord  recordKind = 'x'
)

// A record is one block.
type record struct {
	kind        recordKind
	protocol    reservation.Protocol
	first, last int
	token       uint64
	active      bool         // of an exclusion: until the next boot
	owner       int          // of a runtime record: the process
	socket      *modelSocket // of a runtime record: acquired through it
	gone        bool
}

type modelSocket struct {
	process          int
	user             string
	protocol         reservation.Protocol
	ipv6, dual       bool
	reuse, exclusive bool
	handles          int
	associated       *record
	port             int    // 0 before bind
	address          string // "*" is the wildcard
}

func newModel(first, last int) *model {
	m := &model{dynamic: map[reservation.Protocol][2]int{}, tokens: map[uint64]bool{}}
	m.dynamic[reservation.TCP], m.dynamic[reservation.UDP] = [2]int{first, last}, [2]int{first, last}
	return m
}

func (m *model) recordAt(protocol reservation.Protocol, port int) *record {
	for _, r := range m.records {
		if r.protocol == protocol && r.first <= port && port <= r.last {
			return r
		}
	}
	return nil
}

func (m *model) isBound(protocol reservation.Protocol, port int) bool {
	return slices.ContainsFunc(m.sockets, func(s *modelSocket) bool { return s.protocol == protocol && s.port == port })
}

// isTaken reports whether a record, or a socket, has a port of the range.
func (m *model) isTaken(protocol reservation.Protocol, first, last int) bool {
	for port := first; port <= last; port++ {
		if m.recordAt(protocol, port) != nil || m.isBound(protocol, port) {
			return true
		}
	}
	return false
}

// hasRoom reports whether count consecutive ports of first-last are in no record and at no socket.
func (m *model) hasRoom(protocol reservation.Protocol, first, last, count int) bool {
	run := 0
	for port := first; port <= last; port++ {
		if run++; m.isTaken(protocol, port, port) {
			run = 0
		}
		if run >= count {
			return true
		}
	}
	return false
}

func (m *model) find(kind recordKind, protocol reservation.Protocol, first, count int) *record {
	for _, r := range m.records {
		if r.kind == kind && r.protocol == protocol && r.first == first && r.last == first+count-1 {
			return r
		}
	}
	return nil
}

func (m *model) withToken(token uint64) *record {
	for _, r := range m.records {
		if r.token == token && token != 0 {
			return r
		}
	}
	return nil
}

type codes []win32.Errno

func isBadBlock(first, count int) bool { return first == 0 || count == 0 || first+count-1 > 65535 }

// create: 87 for a start or a number of 0, past the top, and for no place to put the token; 5 without
// elevation; 32 for a port in use, or one of another record. Arguments are looked at first.
func (m *model) create(protocol reservation.Protocol, elevated bool, first, count int, hasPlace bool) codes {
	switch {
	case isBadBlock(first, count), !hasPlace:
		return codes{win32.ERROR_INVALID_PARAMETER}
	case !elevated:
		return codes{win32.ERROR_ACCESS_DENIED}
	case m.isTaken(protocol, first, first+count-1):
		return codes{win32.ERROR_SHARING_VIOLATION}
	}
	return codes{win32.ERROR_SUCCESS}
}

// lookup: 87 as for create, 1168 unless exactly this block was created. No privilege.
func (m *model) lookup(protocol reservation.Protocol, first, count int, hasPlace bool) codes {
	switch {
	case isBadBlock(first, count), !hasPlace:
		return codes{win32.ERROR_INVALID_PARAMETER}
	case m.find(persistentRecord, protocol, first, count) == nil:
		return codes{win32.ERROR_NOT_FOUND}
	}
	return codes{win32.ERROR_SUCCESS}
}

// delete: 87, 5, 1168 as the others. Sockets bound from the block are no obstacle.
func (m *model) delete(protocol reservation.Protocol, elevated bool, first, count int) codes {
	if code := m.lookup(protocol, first, count, true); code[0] == win32.ERROR_INVALID_PARAMETER || elevated {
		return code
	}
	return codes{win32.ERROR_ACCESS_DENIED}
}

// acquire: 10022 for a number of 0 and past the top; 10048 if a port is in use or in another record,
// the process's own included; without a start a contiguous block of the dynamic range, 10055 if there
// is none. A bound socket may, too.
func (m *model) acquire(s *modelSocket, first, count int) codes {
	dynamic := m.dynamic[s.protocol]
	switch {
	case count == 0, first != 0 && isBadBlock(first, count):
		return codes{win32.WSAEINVAL}
	case first == 0 && !m.hasRoom(s.protocol, dynamic[0], dynamic[1], count):
		return codes{win32.WSAENOBUFS}
	case first != 0 && m.isTaken(s.protocol, first, first+count-1):
		return codes{win32.WSAEADDRINUSE}
	}
	return codes{win32.ERROR_SUCCESS}
}

// associate: before bind; 10022 for a token that names nothing, that is another protocol's, or of
// another boot; 10013 for another process's and, without elevation, for a persistent one.
func (m *model) associate(s *modelSocket, elevated bool, token uint64) codes {
	var refusals codes
	r := m.withToken(token)
	if s.port != 0 || r == nil || r.protocol != s.protocol {
		refusals = append(refusals, win32.WSAEINVAL)
	}
	if r != nil && (r.kind == runtimeRecord && r.owner != s.process || r.kind == persistentRecord && !elevated) {
		refusals = append(refusals, win32.WSAEACCES)
	}
	return orSuccess(refusals)
}

// release: through any socket of the process that acquired; 10022 for what is no runtime record of
// the protocol, 10013 for another process's.
func (m *model) release(s *modelSocket, token uint64) codes {
	var refusals codes
	r := m.withToken(token)
	if r == nil || r.protocol != s.protocol || r.kind == persistentRecord {
		refusals = append(refusals, win32.WSAEINVAL)
	}
	if r != nil && r.kind == runtimeRecord && r.owner != s.process {
		refusals = append(refusals, win32.WSAEACCES)
	}
	return orSuccess(refusals)
}

func orSuccess(refusals codes) codes {
	if len(refusals) > 0 {
		return refusals
	}
	return codes{win32.ERROR_SUCCESS}
}

// foreignAddress is not one of the computer's.
const foreignAddress = "foreign"

// bind is the table of bind behaviours, and for what that lets pass the one of SO_REUSEADDR and
// SO_EXCLUSIVEADDRUSE.
func (m *model) bind(s *modelSocket, address string, port int) codes {
	if s.port != 0 {
		return codes{win32.WSAEINVAL}
	}
	refusals := m.bindByRecords(s, port)
	switch {
	case address == foreignAddress:
		refusals = append(refusals, win32.WSAEADDRNOTAVAIL)
	case port != 0 && len(refusals) == 0:
		refusals = m.conflicts(s, address, port)
	}
	return orSuccess(refusals)
}

func (m *model) bindByRecords(s *modelSocket, port int) codes {
	var at *record
	if port != 0 {
		at = m.recordAt(s.protocol, port)
	}
	switch r := s.associated; {
	case r != nil && r.gone:
		return codes{win32.WSAEINVAL} // its token names nothing any more
	case r != nil && port == 0:
		for candidate := r.first; candidate <= r.last; candidate++ {
			if !m.isBound(s.protocol, candidate) {
				return nil
			}
		}
		return codes{win32.WSAENOBUFS}
	case r != nil && at != r && at != nil:
		return codes{win32.WSAEACCES}
	case r != nil && at != r:
		return codes{win32.WSAEINVAL}
	case r == nil && port == 0 && !m.hasRoom(s.protocol, m.dynamic[s.protocol][0], m.dynamic[s.protocol][1], 1):
		return codes{win32.WSAENOBUFS}
	case r == nil && at != nil && at.kind != exclusionRecord:
		return codes{win32.WSAEACCES}
	}
	return nil
}

// mayChoose reports whether the system may have chosen port for a bind to port 0.
func (m *model) mayChoose(s *modelSocket, port int) bool {
	if m.isBound(s.protocol, port) {
		return false
	}
	if r := s.associated; r != nil {
		return r.first <= port && port <= r.last
	}
	dynamic := m.dynamic[s.protocol]
	return dynamic[0] <= port && port <= dynamic[1] && m.recordAt(s.protocol, port) == nil
}

// Microsoft's table for Windows Server 2003 and later: the first bind's row, the second's column;
// U is 10048, A is 10013. W is the wildcard address, S a specific one.
const (
	oneUser = `
		defaultW  U ok A  ok U  ok
		defaultS  ok U ok A  U  U
		reuseW    U ok ok ok U  ok
		reuseS    ok U ok ok U  U
		exclW     U A  A  A  U  A
		exclS     ok U ok A  U  U`
	twoUsers = `
		defaultW  U A  A  A  U  A
		defaultS  ok U ok A  U  U
		reuseW    U A  ok ok U  A
		reuseS    ok U ok ok U  U
		exclW     U A  A  A  U  A
		exclS     ok U ok A  U  U`
)

var columns = []string{"defaultW", "defaultS", "reuseW", "reuseS", "exclW", "exclS"}

func readMatrix(text string) map[[2]string]string {
	cells := map[[2]string]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		for i, verdict := range words[1:] {
			cells[[2]string{words[0], columns[i]}] = verdict
		}
	}
	return cells
}

var matrixOfOne, matrixOfTwo = readMatrix(oneUser), readMatrix(twoUsers)

func (s *modelSocket) claim(address string) string {
	name := "default"
	switch {
	case s.reuse:
		name = "reuse"
	case s.exclusive:
		name = "excl"
	}
	if address == "*" {
		return name + "W"
	}
	return name + "S"
}

// stacks returns what a bind to address takes: of a dual mode wildcard both stacks.
func (s *modelSocket) stacks(address string) []string {
	switch {
	case s.ipv6 && s.dual && address == "*":
		return []string{"4", "6"}
	case s.ipv6:
		return []string{"6"}
	}
	return []string{"4"}
}

// conflicts returns the codes of all sockets in the way of a bind.
func (m *model) conflicts(s *modelSocket, address string, port int) codes {
	var refusals codes
	for _, other := range m.sockets {
		if other.protocol != s.protocol || other.port != port || other == s {
			continue
		}
		shareStack := slices.ContainsFunc(other.stacks(other.address), func(stack string) bool {
			return slices.Contains(s.stacks(address), stack)
		})
		if !shareStack || address != "*" && other.address != "*" && address != other.address {
			continue
		}
		matrix := matrixOfOne
		if other.user != s.user {
			matrix = matrixOfTwo
		}
		switch matrix[[2]string{other.claim(other.address), s.claim(address)}] {
		case "U":
			refusals = append(refusals, win32.WSAEADDRINUSE)
		case "A":
			refusals = append(refusals, win32.WSAEACCES)
		}
	}
	return refusals
}

// What happened.

func (m *model) add(r *record) {
	m.records = append(m.records, r)
}

func (m *model) drop(r *record) {
	r.gone = true
	m.records = slices.DeleteFunc(m.records, func(other *record) bool { return other == r })
}

// closeHandle ends a socket with its last handle, and what was acquired through it.
func (m *model) closeHandle(s *modelSocket) {
	if s.handles--; s.handles > 0 {
		return
	}
	m.sockets = slices.DeleteFunc(m.sockets, func(other *modelSocket) bool { return other == s })
	for _, r := range slices.Clone(m.records) {
		if r.socket == s {
			m.drop(r)
		}
	}
}

func (m *model) exit(process int) {
	for _, s := range slices.Clone(m.sockets) {
		if s.process == process {
			s.handles = 1
			m.closeHandle(s)
		}
	}
}

// restart ends everything but what is persistent, and all tokens.
func (m *model) restart() {
	m.sockets = nil
	var kept []*record
	for _, r := range m.records {
		if r.token != 0 {
			m.archived = append(m.archived, r.token)
		}
		if r.kind == persistentRecord || r.kind == exclusionRecord && !r.active {
			r.token = 0
			kept = append(kept, r)
		} else {
			r.gone = true
		}
	}
	m.records = kept
	m.archived = m.archived[max(0, len(m.archived)-40):]
}
