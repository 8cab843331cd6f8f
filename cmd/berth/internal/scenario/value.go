package scenario

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/berthkit/berth/reservation/win32"
	"github.com/berthkit/berth/sockets/winsock"
)

// A value is what a variable holds: a number, an instance, a socketHandle, or text.
type value interface{ String() string }

// A number is a token, most of the time.
type number uint64

func (n number) String() string { return strconv.FormatUint(uint64(n), 10) }

// An instance is what SIO_ACQUIRE_PORT_RESERVATION has returned.
type instance win32.INET_PORT_RESERVATION_INSTANCE

func (i instance) String() string {
	r, err := i.Reservation.Range()
	if err != nil {
		return "no ports"
	}
	return r.String()
}

// A socketHandle is a handle and whose it is.
type socketHandle struct {
	owner  *process
	handle winsock.Handle
}

func (s socketHandle) String() string { return fmt.Sprintf("handle %d of %s", s.handle, s.owner.name) }

// text is a dump.
type text string

func (t text) String() string { return string(t) }

// An address is what getsockname returns.
type address netip.AddrPort

func (a address) String() string { return netip.AddrPort(a).String() }

// number reads a word as a number of at most bits bits: digits in Go's notation, a name from the
// headers, htons(NUMBER), or a variable. A negative number is its two's complement.
func (p *Player) number(word Word, bits int) (uint64, error) {
	if word.Quoted {
		return 0, fmt.Errorf("%q is no number", word.Text)
	}
	if inner, is := strings.CutPrefix(word.Text, "htons("); is && strings.HasSuffix(inner, ")") {
		host, err := p.number(Word{Text: strings.TrimSuffix(inner, ")")}, 16)
		return uint64(win32.Htons(uint16(host))), err
	}
	n, err := p.bareNumber(word.Text, bits)
	if err != nil {
		return 0, err
	}
	if bits < 64 && n>>bits != 0 {
		return 0, fmt.Errorf("%s does not fit into %d bits", word.Text, bits)
	}
	return n, nil
}

func (p *Player) bareNumber(text string, bits int) (uint64, error) {
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseInt(text, 0, bits); err == nil {
		return uint64(n) & (1<<bits - 1), nil
	}
	if n, known := constants[text]; known {
		return uint64(n) & (1<<bits - 1), nil
	}
	name, field, _ := strings.Cut(text, ".")
	v, known := p.variables[name]
	if !known {
		return 0, fmt.Errorf("%q is neither a number nor a name that is known", text)
	}
	return numberOf(v, name, field)
}

func numberOf(v value, name, field string) (uint64, error) {
	switch v := v.(type) {
	case number:
		if field == "" {
			return uint64(v), nil
		}
	case address:
		if field == "Port" {
			return uint64(netip.AddrPort(v).Port()), nil
		}
	case instance:
		switch field {
		case "", "Token":
			return v.Token.Token, nil
		case "StartPort":
			return uint64(v.Reservation.StartPort), nil
		case "NumberOfPorts":
			return uint64(v.Reservation.NumberOfPorts), nil
		}
	}
	if field != "" {
		return 0, fmt.Errorf("%s has no field %s", name, field)
	}
	return 0, fmt.Errorf("%s is %s, not a number", name, v)
}

// maxBuffer is the longest buffer that a scenario hands to a call, in bytes.
const maxBuffer = 64 << 10

// input reads a word as the input of a control: {htons(PORT),COUNT} is an INET_PORT_RANGE, a token or
// a number has 8 bytes, hex:… any, NULL is no buffer.
func (p *Player) input(word Word) ([]byte, error) {
	if digits, is := strings.CutPrefix(word.Text, "hex:"); is {
		data, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("%s: want an even number of hexadecimal digits", word.Text)
		}
		return append(make([]byte, 0, len(data)+1), data...), nil
	}
	if fields, is := strings.CutPrefix(word.Text, "{"); is {
		start, count, two := strings.Cut(strings.TrimSuffix(fields, "}"), ",")
		if !two {
			return nil, fmt.Errorf("%s: want {htons(PORT),COUNT}", word.Text)
		}
		var r win32.INET_PORT_RANGE
		for _, field := range []struct {
			text string
			into *uint16
		}{{start, &r.StartPort}, {count, &r.NumberOfPorts}} {
			n, err := p.number(Word{Text: strings.TrimSpace(field.text)}, 16)
			if err != nil {
				return nil, err
			}
			*field.into = uint16(n)
		}
		return r.MarshalBinary()
	}
	if word.Text == "NULL" {
		return nil, nil
	}
	token, err := p.number(word, 64)
	if err != nil {
		return nil, err
	}
	return win32.INET_PORT_RESERVATION_TOKEN{Token: token}.MarshalBinary()
}

// output reads a word as an output buffer: &NAME has room for an INET_PORT_RESERVATION_INSTANCE,
// &NAME:N has N bytes, NULL is none. The name is empty for the last.
func output(word Word) (name string, size int, err error) {
	if word.Text == "NULL" {
		return "", 0, nil
	}
	name, digits, sized := strings.Cut(word.Text, ":")
	size = win32.SizeofINET_PORT_RESERVATION_INSTANCE
	if sized {
		if size, err = strconv.Atoi(digits); err != nil || size < 0 || size > maxBuffer {
			return "", 0, fmt.Errorf("%s: want a size of 0 to %d bytes behind the colon", word.Text, maxBuffer)
		}
	}
	name, err = target(Word{Text: name, Quoted: word.Quoted})
	return name, size, err
}

// target reads &NAME, where a call stores something.
func target(word Word) (string, error) {
	name, is := strings.CutPrefix(word.Text, "&")
	if !is || word.Quoted || !isName(name) {
		return "", fmt.Errorf("%q: want & and the name of a variable, or NULL", word.Text)
	}
	return name, nil
}
