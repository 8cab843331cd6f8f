package inuse

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The tests build the systems' answers byte by byte, so every parser is tested on every system.

// collect returns a visitor and what it has visited.
func collect() (visitor, *[]boundSocket) {
	visited := new([]boundSocket)
	return func(port uint16, owner uint32) { *visited = append(*visited, boundSocket{port, owner}) }, visited
}

// drawSockets draws what a computer may have bound, port 0 (not bound yet) included.
func drawSockets(t *rapid.T) []boundSocket {
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) boundSocket {
		return boundSocket{rapid.Uint16().Draw(t, "port"), rapid.Uint32().Draw(t, "owner")}
	})).Draw(t, "sockets")
}

func drawRange(t *rapid.T) reservation.Range {
	first := rapid.Uint16Min(1).Draw(t, "first")
	r, err := pool.RangeFrom(first, rapid.IntRange(1, pool.MaxPort-int(first)+1).Draw(t, "count"))
	require.NoError(t, err)
	return r
}

// within is the slow, obvious reference of what a parser visits.
func within(sockets []boundSocket, r reservation.Range) []boundSocket {
	var some []boundSocket
	for _, s := range sockets {
		if r.Contains(s.port) {
			some = append(some, s)
		}
	}
	return some
}

const testSequence = 7

// netlinkMessage builds a message with header and padding.
func netlinkMessage(kind, flags uint16, sequence uint32, body []byte) []byte {
	order := binary.NativeEndian
	b := order.AppendUint32(nil, uint32(netlinkHeaderSize+len(body)))
	b = order.AppendUint16(b, kind)
	b = order.AppendUint16(b, flags)
	b = order.AppendUint32(b, sequence)
	b = order.AppendUint32(b, 4711)
	b = append(b, body...)
	return append(b, make([]byte, align(len(b), netlinkAlignment)-len(b))...)
}

// sockDiagMessage builds a socket as Linux sends it, with attributes of some length behind.
func sockDiagMessage(s boundSocket, attributes int) []byte {
	body := make([]byte, sockDiagMessageSize+attributes)
	binary.BigEndian.PutUint16(body[4:], s.port)
	binary.NativeEndian.PutUint32(body[68:], s.owner)
	return netlinkMessage(sockDiagByFamily, 2, testSequence, body)
}

func errnoMessage(kind uint16, errno int32) []byte {
	return netlinkMessage(kind, 2, testSequence, binary.NativeEndian.AppendUint32(nil, uint32(-errno)))
}

func TestSockDiagFindsEverySocket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sockets, r := drawSockets(t), drawRange(t)
		var datagram []byte
		for _, s := range sockets {
			datagram = append(datagram, sockDiagMessage(s, rapid.IntRange(0, 40).Draw(t, "attributes"))...)
		}
		finished := rapid.Bool().Draw(t, "finished")
		if finished {
			datagram = append(datagram, errnoMessage(netlinkDone, 0)...)
		}
		visit, visited := collect()
		done, err := parseSockDiag(datagram, testSequence, r, visit)
		require.NoError(t, err)
		require.Equal(t, finished, done)
		require.Equal(t, within(sockets, r), *visited)
	})
}

func TestSockDiagAnswers(t *testing.T) {
	socket := sockDiagMessage(boundSocket{50000, 1}, 0)
	earlier := netlinkMessage(netlinkError, 0, testSequence-1, binary.NativeEndian.AppendUint32(nil, ^uint32(0)))
	for _, test := range []struct {
		name     string
		datagram []byte
		visited  int
		done     bool
		want     error
	}{
		{"nothing", nil, 0, false, nil},
		{"the end", errnoMessage(netlinkDone, 0), 0, true, nil},
		{"an end without a code", netlinkMessage(netlinkDone, 2, testSequence, nil), 0, true, nil},
		{"nothing behind the end", slices.Concat(errnoMessage(netlinkDone, 0), socket), 0, true, nil},
		{"an end that says why", errnoMessage(netlinkDone, 2), 0, true, syscall.ENOENT},
		{"an acknowledgement", errnoMessage(netlinkError, 0), 0, false, nil},
		{"a refusal", errnoMessage(netlinkError, 1), 0, false, syscall.EPERM},
		{"a no-op", slices.Concat(netlinkMessage(netlinkNoop, 0, testSequence, nil), socket), 1, false, nil},
		{"an earlier request's refusal", slices.Concat(earlier, socket), 1, false, nil},
		{"an interruption", slices.Concat(socket, netlinkMessage(netlinkDone, netlinkDumpInterrupted, testSequence, make([]byte, 4))), 1, false, errInterrupted},
		{"an overrun", netlinkMessage(netlinkOverrun, 0, testSequence, nil), 0, false, errInterrupted},
		{"a short header", socket[:15], 0, false, errMalformed},
		{"a short socket", socket[:len(socket)-1], 0, false, errMalformed},
		{"a socket without its inode", netlinkMessage(sockDiagByFamily, 2, testSequence, make([]byte, 68)), 0, false, errMalformed},
		{"an error without its code", netlinkMessage(netlinkError, 0, testSequence, nil), 0, false, errMalformed},
		{"an unknown message", netlinkMessage(99, 0, testSequence, nil), 0, false, errMalformed},
		{"length 0", make([]byte, 64), 0, false, errMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			visit, visited := collect()
			done, err := parseSockDiag(test.datagram, testSequence, pool.AllPorts, visit)
			require.ErrorIs(t, err, test.want)
			require.Equal(t, test.done, done)
			require.Len(t, *visited, test.visited)
		})
	}
}

// TestSockDiagRequest holds the request against the bytes that the kernel's headers prescribe, by
// the struct layouts of <linux/inet_diag.h>.
func TestSockDiagRequest(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the expected bytes are those of a little-endian computer")
	}
	want := "5c000000" + "1400" + "0103" + "07000000" + "00000000" + // length, type, flags, sequence, to the kernel
		"0a" + "11" + "0000" + "ff3f0000" + // AF_INET6, UDP, states
		hex.EncodeToString(make([]byte, 48)) + // any socket
		"1400" + "0100" + // attribute INET_DIAG_REQ_BYTECODE
		"0208" + "1400" + "0000" + "50c3" + // from 50000
		"0308" + "0c00" + "0000" + "b3c3" // to 50099
	got := appendSockDiagRequest(nil, testSequence, linuxIPv6, pool.UDP, pool.MustParseRange("50000-50099"))
	require.Equal(t, want, hex.EncodeToString(got))
}

// pcbRecord builds a record of macOS with its padding; fill sets fields behind the header.
func pcbRecord(kind uint32, size int, fill func(record []byte)) []byte {
	b := make([]byte, align(size, pcbAlignment))
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], kind)
	if fill != nil {
		fill(b)
	}
	return b
}

func pcbGen() []byte { return pcbRecord(0, pcbGenSize, nil) }

// pcbSocket builds the records of one socket, longer by extra bytes than those of today's macOS.
func pcbSocket(s boundSocket, extra int) []byte {
	return slices.Concat(
		pcbRecord(pcbKindInternet, 104+extra, func(b []byte) { binary.BigEndian.PutUint16(b[18:], s.port) }),
		pcbRecord(pcbKindSocket, 76+extra, func(b []byte) { binary.LittleEndian.PutUint32(b[68:], s.owner) }),
		pcbRecord(0x2, 32, nil),
		pcbRecord(0x4, 32, nil),
		pcbRecord(0x8, 136+extra, nil),
		pcbRecord(0x20, 204, nil),
	)
}

func TestPCBListFindsEverySocket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sockets, r := drawSockets(t), drawRange(t)
		list := pcbGen()
		for _, s := range sockets {
			list = append(list, pcbSocket(s, rapid.IntRange(0, 40).Draw(t, "extra"))...)
		}
		if len(sockets) > 0 {
			list = append(list, pcbGen()...) // macOS leaves it out of an empty list
		}
		visit, visited := collect()
		require.NoError(t, parsePCBList(list, r, visit))
		require.Equal(t, within(sockets, r), *visited)
	})
}

func TestPCBListRejects(t *testing.T) {
	socket := pcbSocket(boundSocket{50000, 1}, 0)
	for name, list := range map[string][]byte{
		"nothing":                      nil,
		"half a header":                pcbGen()[:12],
		"a header longer than it":      pcbRecord(0, 4096, nil)[:64],
		"a header of length 0":         make([]byte, pcbGenSize),
		"half a record":                slices.Concat(pcbGen(), socket[:50]),
		"a record of length 0":         slices.Concat(pcbGen(), make([]byte, 32)),
		"four bytes at the end":        slices.Concat(pcbGen(), socket, make([]byte, 4)),
		"a socket too short for ports": slices.Concat(pcbGen(), pcbRecord(pcbKindInternet, 16, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			visit, _ := collect()
			require.ErrorIs(t, parsePCBList(list, pool.AllPorts, visit), errMalformed)
		})
	}
}

var extendedTables = map[string]extendedTable{
	"udp4": extendedUDP4, "udp6": extendedUDP6, "tcp4": extendedTCP4, "tcp6": extendedTCP6,
}

func TestExtendedTableFindsEverySocket(t *testing.T) {
	for name, layout := range extendedTables {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				sockets, r := drawSockets(t), drawRange(t)
				table := binary.LittleEndian.AppendUint32(nil, uint32(len(sockets)))
				for _, s := range sockets {
					row := make([]byte, layout.rowSize)
					binary.BigEndian.PutUint16(row[layout.port:], s.port)
					binary.LittleEndian.PutUint32(row[layout.pid:], s.owner)
					table = append(table, row...)
				}
				table = append(table, make([]byte, rapid.IntRange(0, 100).Draw(t, "room"))...)
				visit, visited := collect()
				require.NoError(t, layout.parse(table, r, visit))
				require.Equal(t, within(sockets, r), *visited)
			})
		})
	}
}

func TestExtendedTableRejects(t *testing.T) {
	for name, layout := range extendedTables {
		t.Run(name, func(t *testing.T) {
			visit, visited := collect()
			require.ErrorIs(t, layout.parse(nil, pool.AllPorts, visit), errMalformed)
			require.ErrorIs(t, layout.parse([]byte{1, 0, 0, 0}, pool.AllPorts, visit), errMalformed)
			require.ErrorIs(t, layout.parse([]byte{255, 255, 255, 255, 1, 2, 3}, pool.AllPorts, visit), errMalformed)
			require.Empty(t, *visited)
		})
	}
}

func TestSocketLink(t *testing.T) {
	inode, ok := parseSocketLink("socket:[4294967295]")
	require.True(t, ok)
	require.EqualValues(t, 4294967295, inode)
	for _, target := range []string{"", "/dev/null", "pipe:[1]", "socket:[", "socket:[]", "socket:[-1]", "socket:[4294967296]", "socket:[1", "socket:[1]x"} {
		_, ok := parseSocketLink(target)
		require.False(t, ok, target)
	}
}

func TestPortMarksAgreeWithSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := rapid.SliceOf(rapid.Uint16()).Draw(t, "ports")
		var marks portMarks
		for _, port := range ports {
			marks.add(port)
		}
		want := slices.Compact(slices.Sorted(slices.Values(ports)))
		require.Equal(t, want, marks.ports())
	})
}

func TestHoldersAreNamedOncePerPort(t *testing.T) {
	sockets := sortSockets([]boundSocket{{2, 12}, {1, 11}, {1, 10}, {1, 10}, {1, 0}, {2, 11}, {3, 99}})
	programs := map[uint32]process{10: {100, "nc"}, 11: {100, "nc"}, 12: {120, "ev\x1b[31mil\n"}}
	require.Equal(t, []reservation.Holder{
		{Port: 1},
		{Port: 1, PID: 100, Program: "nc"},
		{Port: 2, PID: 100, Program: "nc"},
		{Port: 2, PID: 120, Program: "ev?[31mil?"},
		{Port: 3},
	}, nameHolders(sockets, programs))
	require.Equal(t, map[uint32]bool{10: true, 11: true, 12: true, 99: true}, owners(sockets))
}

func FuzzSockDiag(f *testing.F) {
	f.Add(sockDiagMessage(boundSocket{50000, 1}, 8))
	f.Add(slices.Concat(sockDiagMessage(boundSocket{50000, 1}, 3), errnoMessage(netlinkDone, 0)))
	f.Add(errnoMessage(netlinkError, 2))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		visit, visited := collect()
		_, err := parseSockDiag(datagram, testSequence, pool.MustParseRange("1000-60000"), visit)
		var errno syscall.Errno
		require.True(t, err == nil || errors.Is(err, errMalformed) || errors.Is(err, errInterrupted) || errors.As(err, &errno), "%v", err)
		requireSane(t, *visited, len(datagram)/(netlinkHeaderSize+sockDiagMessageSize))
	})
}

func FuzzPCBList(f *testing.F) {
	f.Add(pcbGen())
	f.Add(slices.Concat(pcbGen(), pcbSocket(boundSocket{50000, 1}, 0), pcbSocket(boundSocket{0, 0}, 16), pcbGen()))
	f.Fuzz(func(t *testing.T, list []byte) {
		visit, visited := collect()
		err := parsePCBList(list, pool.MustParseRange("1000-60000"), visit)
		require.True(t, err == nil || errors.Is(err, errMalformed), "%v", err)
		requireSane(t, *visited, len(list)/(pcbPortOffset+2))
	})
}

func FuzzExtendedTable(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 127, 0, 0, 1, 0xc3, 0x50, 0, 0, 9, 0, 0, 0})
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, layout := range extendedTables {
			visit, visited := collect()
			err := layout.parse(table, pool.MustParseRange("1000-60000"), visit)
			require.True(t, err == nil || errors.Is(err, errMalformed), "%v", err)
			requireSane(t, *visited, len(table)/layout.rowSize)
		}
	})
}

func requireSane(t *testing.T, visited []boundSocket, most int) {
	require.LessOrEqual(t, len(visited), most)
	for _, s := range visited {
		require.True(t, s.port >= 1000 && s.port <= 60000, "port %d is outside the range", s.port)
	}
}
