package machine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Row is a line of what "netsh interface ipv4 show excludedportrange" lists.
type Row struct {
	Protocol     Protocol
	Range        Range
	Administered bool // with an asterisk: an exclusion, whose ports may be bound explicitly
}

// Rows returns what netsh lists for a protocol, by first port: exclusions with an asterisk, runtime
// and persistent reservations without. It returns ErrInvalid for an unknown protocol, and ErrClosed.
func (m *Machine) Rows(protocol Protocol) ([]Row, error) {
	if !protocol.IsValid() {
		return nil, fmt.Errorf("rows of %s: %w", protocol, reservation.ErrInvalid)
	}
	blocks, err := m.systemProcess().List(context.Background(), protocol)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, b := range blocks {
		if b.Kind == reservation.Persistent && m.config.Netsh.HidePersistent {
			continue
		}
		rows = append(rows, Row{Protocol: protocol, Range: b.Range, Administered: b.Kind == reservation.Exclusion})
	}
	return rows, nil
}

// maxCapture is the longest capture that ParseNetsh reads, in bytes. One of 65,535 single ports in
// UTF-16 takes 4 MB.
const maxCapture = 8 << 20

// ParseNetsh reads what "netsh interface ipv4 show excludedportrange" has printed, in whatever
// language: it goes by the numbers, the asterisks and the word tcp or udp in the heading. Several
// captures may follow each other, with prompts and other text between. It reads ASCII, UTF-8, any
// code page of the Windows console, and UTF-16 with a byte order mark, as PowerShell writes it. The
// error wraps ErrInvalid and names the line, or is what reading returned.
func ParseNetsh(r io.Reader) ([]Row, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxCapture+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxCapture:
		return nil, fmt.Errorf("%w: a capture of more than %d bytes", reservation.ErrInvalid, maxCapture)
	}
	var rows []Row
	var protocol Protocol
	headed := false
	lines := bufio.NewScanner(strings.NewReader(decode(text)))
	lines.Buffer(nil, maxCapture+1)
	for number := 1; lines.Scan(); number++ {
		r, administered, err := parseRow(lines.Text())
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case r.IsValid() && !headed:
			return nil, fmt.Errorf("line %d: %w: a row before any heading that says tcp or udp", number, reservation.ErrInvalid)
		case r.IsValid():
			rows = append(rows, Row{Protocol: protocol, Range: r, Administered: administered})
		default:
			if named, found := protocolIn(lines.Text()); found {
				protocol, headed = named, true
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if !headed {
		return nil, fmt.Errorf("%w: no heading that says tcp or udp", reservation.ErrInvalid)
	}
	return rows, nil
}

// parseRow reads a line of two ports and perhaps an asterisk. It returns the zero Range for a line
// that is no row.
func parseRow(line string) (r Range, administered bool, err error) {
	ports, administered := strings.CutSuffix(strings.TrimSpace(line), "*")
	fields := strings.Fields(ports)
	switch {
	case len(fields) < 2 || !isNumber(fields[0]) || !isNumber(fields[1]):
		return Range{}, false, nil
	case len(fields) > 2:
		return Range{}, false, fmt.Errorf("%w: %q after the ports, want an asterisk or nothing",
			reservation.ErrInvalid, strings.Join(fields[2:], " "))
	}
	r, err = pool.ParseRange(fields[0] + "-" + fields[1])
	return r, administered, err
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// protocolIn returns the protocol that a line names as a word of its own. A line that names both
// means neither.
func protocolIn(line string) (Protocol, bool) {
	words := strings.FieldsFunc(strings.ToLower(line), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	tcp, udp := slices.Contains(words, "tcp"), slices.Contains(words, "udp")
	switch {
	case tcp == udp:
		return 0, false
	case tcp:
		return TCP, true
	}
	return UDP, true
}

// decode turns UTF-16 with a byte order mark into UTF-8 and leaves everything else as it is.
func decode(text []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return string(text)
	}
	units := make([]uint16, 0, len(text)/2)
	for rest := text[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return string(utf16.Decode(units))
}

// Import brings the rows of a capture to the machine: all of them, or none and an error. A row with an
// asterisk becomes an exclusion of the persistent store. One without becomes a hold of a service, for
// that is what most are on a computer where nobody has made reservations: it returns with each boot,
// at the same place if it lies outside the dynamic range (http.sys and its like), elsewhere if
// Windows had chosen its place (WinNAT and its like).
func (m *Machine) Import(rows []Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx := context.Background()
	imported := Service{Name: m.nameOfImport()}
	var excluded []Row
	undo := func(reason error) error {
		for _, row := range excluded {
			if err := m.system.DeleteExclusion(ctx, row.Protocol, row.Range, reservation.PersistentStore); err != nil {
				return fmt.Errorf("%w; %s %s stays excluded: %w", reason, row.Protocol, row.Range, err)
			}
		}
		return fmt.Errorf("import: %w", reason)
	}
	for _, row := range rows {
		if row.Administered {
			if err := m.system.AddExclusion(ctx, row.Protocol, row.Range, reservation.PersistentStore); err != nil {
				return undo(err)
			}
			excluded = append(excluded, row)
			continue
		}
		dynamic, err := m.system.Dynamic(ctx, row.Protocol)
		if err != nil {
			return undo(err)
		}
		imported.Holds = append(imported.Holds, Hold{
			Protocol: row.Protocol, First: row.Range.First(), Count: row.Range.Count(), Moves: dynamic.Covers(row.Range),
		})
	}
	if len(imported.Holds) == 0 {
		return nil
	}
	installed := &service{Service: imported}
	if err := installed.start(m.host); err != nil {
		return undo(err)
	}
	m.services = append(m.services, installed)
	return nil
}

func (m *Machine) nameOfImport() string {
	name := "imported"
	for n := 2; m.service(name) != nil; n++ {
		name = fmt.Sprintf("imported %d", n)
	}
	return name
}
