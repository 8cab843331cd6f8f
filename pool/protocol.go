// Package pool keeps the ports of one transport protocol: the blocks that somebody holds and the
// ports that sockets are bound to. It answers two questions fast, whatever the number of blocks:
// is any port of a range taken, and who holds it. It also finds n consecutive free ports, or says
// exactly that there are none.
//
// The nouns are [Protocol], [Range] (first to last port, both included), [PortSet] (65,536 bits
// that can be searched for free runs) and [Pool] (disjoint blocks with a value each, beside the
// ports in use). Ports are uint16, counts are int: the range 1-65535 has 65,535 ports and works.
//
// The package is pure: no I/O, no goroutines, no locks. Values of PortSet and Pool are not safe
// for concurrent use while one of the callers changes them; any number of callers may read.
package pool

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// ErrInvalid is what every error about a malformed or impossible value of this package wraps. It
// wraps [fs.ErrInvalid] in turn.
var ErrInvalid error = invalid{}

type invalid struct{}

func (invalid) Error() string { return "invalid argument" }
func (invalid) Unwrap() error { return fs.ErrInvalid }

// A Protocol is a transport protocol by its IANA number. The zero Protocol is invalid. TCP and UDP
// have separate port spaces; IPv4 and IPv6 share them.
type Protocol uint8

// The protocols that have ports here, by their IANA protocol numbers.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// Protocols lists the valid protocols in ascending order.
func Protocols() [2]Protocol { return [2]Protocol{TCP, UDP} }

// ParseProtocol reads "tcp" or "udp" in any case. The error wraps [ErrInvalid].
func ParseProtocol(s string) (Protocol, error) {
	switch strings.ToLower(s) {
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	}
	return 0, &ParseError{What: "protocol", Input: s, Reason: "want udp or tcp"}
}

// IsValid reports whether p is TCP or UDP.
func (p Protocol) IsValid() bool { return p == TCP || p == UDP }

// String returns "tcp", "udp" or "protocol(N)".
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// MarshalText returns "tcp" or "udp", and an error that wraps [ErrInvalid] for anything else.
func (p Protocol) MarshalText() ([]byte, error) {
	if !p.IsValid() {
		return nil, &ParseError{What: "protocol", Input: p.String(), Reason: "want udp or tcp"}
	}
	return []byte(p.String()), nil
}

// UnmarshalText is the reverse of MarshalText and accepts what [ParseProtocol] accepts.
func (p *Protocol) UnmarshalText(text []byte) error {
	parsed, err := ParseProtocol(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// A ParseError tells which input could not be read, and why. It wraps [ErrInvalid].
type ParseError struct {
	What   string // "protocol", "range"
	Input  string // what was given
	Reason string // what is wrong with it, and what would be right
}

// Error says what could not be read and why, with a long input cut short.
func (e *ParseError) Error() string {
	return fmt.Sprintf("invalid %s %s: %s", e.What, quote(e.Input), e.Reason)
}

// quote puts s in quotes, and cuts it where it is longer than anybody wants to read.
func quote(s string) string {
	const longest = 64
	if len(s) > longest {
		return strconv.Quote(s[:longest]) + "..."
	}
	return strconv.Quote(s)
}

// Unwrap returns [ErrInvalid].
func (e *ParseError) Unwrap() error { return ErrInvalid }
