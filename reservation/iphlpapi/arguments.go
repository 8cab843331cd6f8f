package iphlpapi

import (
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// arguments are those of one call, as the caller gave them.
type arguments struct {
	StartPort     uint16 // network byte order
	NumberOfPorts uint16
	Token         *uint64 // where the token goes
	hasToken      bool    // whether the function has the parameter Token
}

func block(StartPort, NumberOfPorts uint16) arguments {
	return arguments{StartPort: StartPort, NumberOfPorts: NumberOfPorts}
}

func blockAndToken(StartPort, NumberOfPorts uint16, Token *uint64) arguments {
	return arguments{StartPort: StartPort, NumberOfPorts: NumberOfPorts, Token: Token, hasToken: true}
}

// invalid is what ERROR_INVALID_PARAMETER means, for all six functions. Microsoft's pages have the
// first two rows for all of them, the third for create alone, where nothing else fits either: such a
// block cannot be reserved. The last is inferred.
var invalid = [...]struct {
	reason string
	holds  func(a arguments) bool
}{
	{"StartPort is 0", func(a arguments) bool { return a.StartPort == 0 }},
	{"NumberOfPorts is 0", func(a arguments) bool { return a.NumberOfPorts == 0 }},
	{"the block runs past port 65535", func(a arguments) bool {
		return int(win32.Ntohs(a.StartPort))+int(a.NumberOfPorts)-1 > pool.MaxPort
	}},
	{"Token is nil", func(a arguments) bool { return a.hasToken && a.Token == nil }},
}

// ports returns the block that the arguments name, the zero Range if they are invalid.
func (a arguments) ports() reservation.Range {
	for i := range invalid {
		if invalid[i].holds(a) {
			return reservation.Range{}
		}
	}
	r, _ := pool.RangeFrom(win32.Ntohs(a.StartPort), int(a.NumberOfPorts)) // invalid has what RangeFrom refuses
	return r
}
