package inuse

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/berthkit/berth/reservation"
)

// portMarks is a set of ports, one bit each. It turns visits in any order into ascending ports
// without a sort, which would cost a quarter of the kernel's dump. A pool.PortSet could do it too,
// but would keep its search tree for every mark.
type portMarks [1024]uint64

func (m *portMarks) add(port uint16) { m[port/64] |= 1 << (port % 64) }

// ports returns the marked ports, ascending; nil if there are none.
func (m *portMarks) ports() []uint16 {
	count := 0
	for _, word := range m {
		count += bits.OnesCount64(word)
	}
	if count == 0 {
		return nil
	}
	ports := make([]uint16, 0, count)
	for i, word := range m {
		for ; word != 0; word &= word - 1 {
			ports = append(ports, uint16(i*64+bits.TrailingZeros64(word)))
		}
	}
	return ports
}

// A boundSocket is one row of a system's table.
type boundSocket struct {
	port  uint16
	owner uint32 // as the visitor got it
}

// sortSockets orders sockets by port and owner and drops repetitions.
func sortSockets(sockets []boundSocket) []boundSocket {
	slices.SortFunc(sockets, func(a, b boundSocket) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.owner, b.owner))
	})
	return slices.Compact(sockets)
}

// owners returns the known owners of sockets.
func owners(sockets []boundSocket) map[uint32]bool {
	set := make(map[uint32]bool)
	for _, s := range sockets {
		if s.owner != 0 {
			set[s.owner] = true
		}
	}
	return set
}

// nameHolders turns sockets, sorted, into holders, one for each program on a port.
func nameHolders(sockets []boundSocket, programs map[uint32]process) []reservation.Holder {
	var holders []reservation.Holder
	for _, s := range sockets {
		program := programs[s.owner]
		holder := reservation.Holder{Port: s.port, PID: program.pid, Program: printable(program.name)}
		seen := false
		for i := len(holders) - 1; i >= 0 && holders[i].Port == s.port && !seen; i-- {
			seen = holders[i] == holder
		}
		if !seen {
			holders = append(holders, holder)
		}
	}
	return holders
}

// printable replaces what could steer a terminal: the name of a program is its owner's choice, and
// ends up in other users' messages.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}
