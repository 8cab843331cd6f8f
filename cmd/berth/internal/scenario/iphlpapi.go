package scenario

import (
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

const (
	tokenParams = "StartPort NumberOfPorts &Token|NULL"
	blockParams = "StartPort NumberOfPorts"
)

// iphlpapiCommands are the six functions of iphlpapi.dll.
var iphlpapiCommands = []*command{
	withToken("CreatePersistentTcpPortReservation", "reserve a block of TCP ports", (*iphlpapi.DLL).CreatePersistentTcpPortReservation),
	withToken("CreatePersistentUdpPortReservation", "reserve a block of UDP ports", (*iphlpapi.DLL).CreatePersistentUdpPortReservation),
	withToken("LookupPersistentTcpPortReservation", "look up the token of a block of TCP ports", (*iphlpapi.DLL).LookupPersistentTcpPortReservation),
	withToken("LookupPersistentUdpPortReservation", "look up the token of a block of UDP ports", (*iphlpapi.DLL).LookupPersistentUdpPortReservation),
	withoutToken("DeletePersistentTcpPortReservation", "end the reservation of a block of TCP ports", (*iphlpapi.DLL).DeletePersistentTcpPortReservation),
	withoutToken("DeletePersistentUdpPortReservation", "end the reservation of a block of UDP ports", (*iphlpapi.DLL).DeletePersistentUdpPortReservation),
}

func withToken(name, about string, function func(d *iphlpapi.DLL, StartPort, NumberOfPorts uint16, Token *uint64) uint32) *command {
	return &command{
		name: name, acts: byProcess, params: tokenParams, about: about, least: 3, most: 3,
		run: func(c *call) (*Result, error) {
			start, count, err := c.block()
			if err != nil {
				return nil, err
			}
			if c.word(2) == "NULL" {
				return codeOf(function(c.process.dll, start, count, nil)), nil
			}
			name, err := target(c.arguments[2])
			if err != nil {
				return nil, err
			}
			var token uint64
			if kept, is := c.player.variables[name].(number); is {
				token = uint64(kept) // a call that fails leaves it alone
			}
			result := codeOf(function(c.process.dll, start, count, &token))
			c.player.variables[name] = number(token)
			return result, nil
		},
	}
}

func withoutToken(name, about string, function func(d *iphlpapi.DLL, StartPort, NumberOfPorts uint16) uint32) *command {
	return &command{
		name: name, acts: byProcess, params: blockParams, about: about, least: 2, most: 2,
		run: func(c *call) (*Result, error) {
			start, count, err := c.block()
			if err != nil {
				return nil, err
			}
			return codeOf(function(c.process.dll, start, count)), nil
		},
	}
}

// block reads StartPort, in network byte order, and NumberOfPorts.
func (c *call) block() (start, count uint16, err error) {
	first, err := c.player.number(c.arguments[0], 16)
	if err != nil {
		return 0, 0, err
	}
	ports, err := c.player.number(c.arguments[1], 16)
	return uint16(first), uint16(ports), err
}

func codeOf(code uint32) *Result {
	return &Result{door: true, isCode: true, code: win32.Errno(code)}
}
