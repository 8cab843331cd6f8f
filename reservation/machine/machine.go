// Package machine is a simulated Windows computer: the engine of package reservation with the
// processes, services, sockets, restarts and accidents that a program meets on a real one. It needs
// no Windows, no privilege and no network, and everything it decides follows from its seed, so a test
// that failed once fails again.
//
// The nouns:
//
//   - A [Machine] starts with [New]; [Machine.Reboot] and [Machine.PowerCut] restart it.
//   - A [Process] has a user and a [Privilege]. It implements [reservation.API] and, for its sockets,
//     [reservation.Network], so a Windows door can be built on it.
//   - A [Service] is a part of Windows that holds ports: http.sys, WinNAT, HNS.
//   - A [Row] is a line of "netsh interface ipv4 show excludedportrange", to show and to import.
//
// Other programs' sockets come with [Machine.Occupy], accidents with [Machine.Steal],
// [Machine.FailNextCommit], [Machine.FailCommits] and [Machine.CutPowerAtCommit]. Package machinetest
// makes a machine for one test and looks for what that test has leaked.
//
// # Caveats
//
// The network ends at the computer: datagrams and streams travel between its own sockets, on the
// loopback addresses and those of [Config].Addresses. What goes elsewhere is lost, or refused.
// Multicast, ICMP and half-closed streams are not simulated, so a datagram to a port that nobody has
// is lost in silence and not answered with WSAECONNRESET.
package machine

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthkit/berth/reservation"
)

// Protocol and Range are the engine's.
type (
	Protocol = reservation.Protocol
	Range    = reservation.Range
)

// The protocols that have ports.
const (
	TCP = reservation.TCP
	UDP = reservation.UDP
)

// Config says what a [Machine] is made of. The zero Config is a good machine.
type Config struct {
	Seed      uint64              // of everything that is random; machines of one seed that are treated alike are alike
	Dynamic   map[Protocol]Range  // the dynamic ranges to begin with; a missing one is reservation.DefaultDynamic
	Journal   reservation.Journal // the disk; nil means an empty reservation.MemoryJournal. The machine closes it
	Policy    *reservation.Policy // answers to the open questions; nil means reservation.DefaultPolicy
	Clock     func() time.Time    // must not call the machine; nil means a clock that stands at 2020-01-01 00:00:00 UTC until Advance moves it
	Addresses []netip.Addr        // beside the loopback ones; nil means 192.0.2.10 and 2001:db8::10
	TimeWait  time.Duration       // how long a closed TCP connection keeps its port in use; 0 means not at all, Windows has 2 minutes
	Netsh     NetshPolicy         // answers to the open questions about netsh
}

// NetshPolicy is the open questions about what netsh shows, by their ID in docs/semantics.md.
type NetshPolicy struct {
	HidePersistent bool // A15: persistent reservations are not listed; the zero value lists them, without an asterisk
}

// epoch is where the clock of a machine without Config.Clock stands.
var epoch = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)

// A Machine is a simulated Windows computer. It is safe for concurrent use. It is deterministic as
// far as its callers are, that is, where they take turns.
type Machine struct {
	config Config
	disk   *disk
	offset atomic.Int64 // of the clock, by Advance

	// mu guards what follows. Lock order: mu, then the locks of the engine, then those of the
	// network and of the disk, which are leaves.
	mu        sync.Mutex
	closed    bool
	boot      uint64 // number of the present boot, 1 for the first
	session   *session
	host      *reservation.Host
	system    *reservation.Process // Windows itself
	network   *network
	processes map[*Process]struct{}
	occupants map[socketKey][]*Process // of Occupy and Steal
	nextPID   uint32
	users     map[string]uint32
	services  []*service // in the order of their installation
}

// New returns a machine that has just started on config.Journal. It returns ErrInvalid for a bad
// Config, and what the journal returns; the journal then stays open and the caller's.
func New(config Config) (*Machine, error) {
	if config.Journal == nil {
		config.Journal = reservation.NewMemoryJournal()
	}
	if config.Clock == nil {
		config.Clock = func() time.Time { return epoch }
	}
	if config.Addresses == nil {
		config.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}
	}
	if config.TimeWait < 0 {
		return nil, fmt.Errorf("%w: Config.TimeWait is %s", reservation.ErrInvalid, config.TimeWait)
	}
	if err := validateAddresses(config.Addresses); err != nil {
		return nil, err
	}
	image, err := config.Journal.Load(context.Background())
	if err != nil {
		return nil, err
	}
	m := &Machine{
		config:  config,
		disk:    &disk{journal: config.Journal},
		boot:    bootNumber(image.Boot.ID),
		nextPID: firstPID,
		users:   make(map[string]uint32),
	}
	if err := m.start(); err != nil {
		return nil, err
	}
	return m, nil
}

// A machine takes up the count of boots where the journal has it, so that each boot of a journal has
// its own identity and its own randomness, whichever machine runs it.
const bootPrefix = "machine boot "

func bootNumber(id string) uint64 {
	digits, _ := strings.CutPrefix(id, bootPrefix)
	number, _ := strconv.ParseUint(digits, 10, 32)
	return number
}

// start begins the next boot. On an error the machine stays off. The caller holds mu, or is New.
func (m *Machine) start() error {
	m.boot++
	session := &session{disk: m.disk}
	network := newNetwork(m.config.Addresses, m.config.TimeWait, m.now)
	host, err := reservation.New(context.Background(), reservation.Config{
		Journal: session,
		Ports:   portTable{network},
		BootID:  bootPrefix + strconv.FormatUint(m.boot, 10),
		Dynamic: m.config.Dynamic,
		Policy:  m.config.Policy,
		Rand:    m.random(),
		Now:     m.now,
	})
	if err != nil {
		return fmt.Errorf("start the machine: %w", err)
	}
	m.session, m.network, m.host = session, network, host
	m.system = host.Process(reservation.Caller{PID: systemPID, Program: "System", Elevated: true})
	m.processes = make(map[*Process]struct{})
	m.occupants = make(map[socketKey][]*Process)
	for _, s := range m.services {
		s.restart(host)
	}
	return nil
}

// random returns the randomness of the present boot.
func (m *Machine) random() io.Reader {
	var seed [32]byte
	copy(seed[:], "berth machine")
	binary.BigEndian.PutUint64(seed[16:], m.config.Seed)
	binary.BigEndian.PutUint64(seed[24:], m.boot)
	return rand.NewChaCha8(seed)
}

func (m *Machine) now() time.Time {
	return m.config.Clock().Add(time.Duration(m.offset.Load()))
}

// Now returns the machine's time.
func (m *Machine) Now() time.Time { return m.now() }

// Advance moves the machine's clock forward, or back if d is negative.
func (m *Machine) Advance(d time.Duration) { m.offset.Add(int64(d)) }

// Reboot shuts the machine down in order and starts it again: all processes end and their handles
// return ErrClosed from now on, runtime reservations and active exclusions are gone, persistent
// reservations are back with new tokens, services start and the blocks that they do not choose
// themselves move. Thefts that were planned are forgotten.
//
// If the disk does not let the machine start, Reboot returns why, and the machine is off: every call
// to it returns ErrClosed until a later Reboot succeeds.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return reservation.ErrClosed
	}
	m.shutDown()
	return m.start()
}

// PowerCut restarts the machine without shutting it down: what was being written to the disk at that
// moment is lost or not, as it happens, its writer is not told, and what was durable comes back. It
// returns what Reboot returns.
func (m *Machine) PowerCut() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return reservation.ErrClosed
	}
	m.session.cutPower()
	m.shutDown()
	return m.start()
}

// shutDown ends the present boot. A boot that has ended already ends once more without harm.
func (m *Machine) shutDown() {
	m.network.close()
	m.host.Close() // closes a session, which cannot fail
}

// Close shuts the machine down and closes its journal. Later calls return ErrClosed, except Close,
// which returns nil again.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.shutDown()
	return m.disk.journal.Close()
}

// SetDynamic sets, durably, the range that automatic assignment draws from, as an administrator
// would. It returns ErrInvalid for one that Windows does not take (see [reservation.ValidateDynamic]).
func (m *Machine) SetDynamic(protocol Protocol, r Range) error {
	return m.systemProcess().SetDynamic(context.Background(), protocol, r)
}

// Dynamic returns the range that automatic assignment draws from.
func (m *Machine) Dynamic(protocol Protocol) (Range, error) {
	return m.systemProcess().Dynamic(context.Background(), protocol)
}

func (m *Machine) systemProcess() *reservation.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.system
}
