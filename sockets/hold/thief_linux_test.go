package hold_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets/hold"
)

const (
	thiefVariable  = "BERTH_TEST_THIEF"
	roundsVariable = "BERTH_THIEF_ROUNDS"
	nobody         = 65534
)

func TestMain(m *testing.M) {
	if job := os.Getenv(thiefVariable); job != "" {
		os.Exit(steal(job))
	}
	os.Exit(m.Run())
}

// A thief is told what to do in its environment, by a table of the ports that it shares with the
// holder (descriptor 3), and by the end of its standard input.
type thief struct {
	Protocol int
	User     int // -1 is the holder's
	Ports    []uint16
}

// A haul is what a thief reports at its end.
type haul struct {
	Tries  int
	Stolen map[string]int // by the options it was done with
}

// A table says of each port of a thief whether it is held: the number is odd while it is, and
// changes with every hold and release. So a thief that reads the same odd number before its bind and
// after it knows that the port was held all the time.
type table []atomic.Uint32

func openTable(file *os.File, ports int) (table, func(), error) {
	memory, err := unix.Mmap(int(file.Fd()), 0, 4*ports, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return unsafe.Slice((*atomic.Uint32)(unsafe.Pointer(&memory[0])), ports), func() { _ = unix.Munmap(memory) }, nil
}

// steal is the thief's process.
func steal(job string) int {
	var t thief
	if err := json.Unmarshal([]byte(job), &t); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	held, _, err := openTable(os.NewFile(3, "table"), len(t.Ports))
	if err == nil && t.User >= 0 {
		err = errors.Join(syscall.Setgroups(nil), syscall.Setgid(t.User), syscall.Setuid(t.User))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var stop atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	fmt.Println("ready")
	result := haul{Stolen: map[string]int{}}
	for !stop.Load() {
		i := rand.IntN(len(t.Ports))
		before := held[i].Load()
		if before%2 == 0 {
			continue
		}
		a := randomAttempt()
		result.Tries++
		if a.bind(t.Protocol, t.Ports[i]) == nil && held[i].Load() == before {
			result.Stolen[a.String()]++
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return 1
	}
	return 0
}

// An attempt is one way to bind a port.
type attempt struct {
	family        int
	ip            [16]byte
	only          int
	address, port int // SO_REUSEADDR, SO_REUSEPORT
	device        bool
}

func randomAttempt() attempt {
	a := attempt{family: unix.AF_INET6, address: rand.IntN(2), port: rand.IntN(2), device: rand.IntN(4) == 0}
	switch rand.IntN(5) {
	case 0:
		a.family = unix.AF_INET
	case 1:
		a.family, a.ip = unix.AF_INET, [16]byte{127, 0, 0, 1}
	case 2:
		a.ip[15] = 1
	case 3:
		a.only = 1
	}
	return a
}

func (a attempt) String() string {
	return fmt.Sprintf("SO_REUSEADDR=%d SO_REUSEPORT=%d", a.address, a.port)
}

func (a attempt) bind(protocol int, number uint16) error {
	kind := unix.SOCK_DGRAM
	if protocol == unix.IPPROTO_TCP {
		kind = unix.SOCK_STREAM
	}
	descriptor, err := unix.Socket(a.family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(descriptor) }()
	err = errors.Join(
		unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_REUSEADDR, a.address),
		unix.SetsockoptInt(descriptor, unix.SOL_SOCKET, unix.SO_REUSEPORT, a.port))
	if a.device {
		_ = unix.BindToDevice(descriptor, "lo") // where this user may
	}
	if err != nil {
		return err
	}
	if a.family == unix.AF_INET {
		return unix.Bind(descriptor, &unix.SockaddrInet4{Port: int(number), Addr: [4]byte(a.ip[:4])})
	}
	if err := unix.SetsockoptInt(descriptor, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, a.only); err != nil {
		return err
	}
	return unix.Bind(descriptor, &unix.SockaddrInet6{Port: int(number), Addr: a.ip})
}

// thiefRounds returns how many rounds the thief tests make.
func thiefRounds(tb testing.TB) int {
	text := os.Getenv(roundsVariable)
	if text == "" {
		return 600
	}
	rounds, err := strconv.Atoi(text)
	require.NoError(tb, err, roundsVariable)
	return rounds
}

const (
	holders       = 64
	portsOfHolder = 2
)

func TestThiefOfAnotherUserGetsNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a thief that is another user needs a test that is root")
	}
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			result := holdAgainst(t, protocol, nobody)
			require.Empty(t, result.Stolen, "of %d tries", result.Tries)
		})
	}
}

// A thief of the same user can get a port, if it sets SO_REUSEPORT and binds in the microseconds in
// which the application's socket and the guards do. docs/held-ports.md states how often.
func TestThiefOfTheSameUserNeedsTheSameOption(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			for options, times := range holdAgainst(t, protocol, -1).Stolen {
				require.Contains(t, options, "SO_REUSEPORT=1", "%d times", times)
			}
		})
	}
}

// holdAgainst holds, binds, closes and releases, while a thief tries to bind what is held.
func holdAgainst(t *testing.T, protocol reservation.Protocol, user int) haul {
	t.Helper()
	region := holdBlock(t, hold.New(), protocol, holders*portsOfHolder)
	first := region.Range().First()
	require.NoError(t, region.Close())
	file, err := os.CreateTemp(t.TempDir(), "table")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.NoError(t, file.Truncate(4*holders*portsOfHolder))
	held, unmap, err := openTable(file, holders*portsOfHolder)
	require.NoError(t, err)
	defer unmap()
	finish := startThief(t, file, thief{Protocol: int(protocol), User: user, Ports: portsFrom(first, holders*portsOfHolder)})

	rounds := thiefRounds(t)
	var done, taken atomic.Int64
	var waiting sync.WaitGroup
	for holder := range holders {
		own := held[holder*portsOfHolder:][:portsOfHolder]
		r, err := pool.RangeFrom(first+uint16(holder*portsOfHolder), portsOfHolder)
		require.NoError(t, err)
		waiting.Go(func() {
			for done.Add(1) <= int64(rounds) {
				if err := holdOnce(protocol, r, own); errors.Is(err, reservation.ErrInUse) {
					taken.Add(1) // by a thief, while it was not held, or with the same option
				} else if err != nil {
					t.Errorf("%v: %v", r, err)
					return
				}
			}
		})
	}
	waiting.Wait()
	result := finish()
	stolen := 0
	for _, times := range result.Stolen {
		stolen += times
	}
	t.Logf("%d rounds, %d tries, %d stolen %v, %d rounds found the port taken", rounds, result.Tries, stolen, result.Stolen, taken.Load())
	require.Positive(t, result.Tries)
	return result
}

// holdOnce makes one round: hold, bind a socket from the block, close it, let go.
func holdOnce(protocol reservation.Protocol, r reservation.Range, held table) error {
	block, err := hold.New().Hold(context.Background(), protocol, r)
	if err != nil {
		return err
	}
	for i := range held {
		held[i].Add(1)
	}
	b := bindings[rand.IntN(len(bindings))]
	port := r.First() + uint16(rand.IntN(r.Count()))
	var socket io.Closer
	if rand.IntN(2) == 0 {
		socket, err = open(block, protocol.String()+b.family, b.ip, port)
	} else {
		socket, err = openForeign(block, b, port, 0)
	}
	if err == nil {
		err = errors.Join(block.Return(port), socket.Close())
	}
	for i := range held {
		held[i].Add(1)
	}
	return errors.Join(err, block.Close())
}

func portsFrom(first uint16, count int) []uint16 {
	ports := make([]uint16, count)
	for i := range ports {
		ports[i] = first + uint16(i)
	}
	return ports
}

// startThief returns what ends the thief and reads what it reports.
func startThief(t *testing.T, file *os.File, job thief) func() haul {
	t.Helper()
	text, err := json.Marshal(job)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), thiefVariable+"="+string(text))
	command.ExtraFiles = []*os.File{file}
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	var ready string
	_, err = fmt.Fscanln(output, &ready)
	require.NoError(t, err)
	return func() haul {
		require.NoError(t, input.Close())
		var result haul
		require.NoError(t, json.NewDecoder(output).Decode(&result))
		require.NoError(t, command.Wait())
		return result
	}
}

// attempts returns every way to bind a port that a thief knows.
func attempts() []attempt {
	var all []attempt
	for _, base := range []attempt{
		{family: unix.AF_INET}, {family: unix.AF_INET, ip: [16]byte{127, 0, 0, 1}}, {family: unix.AF_INET, ip: [16]byte{127, 9, 9, 9}},
		{family: unix.AF_INET6}, {family: unix.AF_INET6, only: 1}, {family: unix.AF_INET6, ip: [16]byte{15: 1}},
	} {
		for i := range 8 {
			a := base
			a.address, a.port, a.device = i&1, i>>1&1, i&4 != 0
			all = append(all, a)
		}
	}
	return all
}

// Nothing of a handover stays: not even a socket of the same user gets the port, whatever it sets,
// while the application has it and when its socket is closed.
func TestNothingOfAHandoverStays(t *testing.T) {
	for name, open := range openers {
		for _, protocol := range protocols {
			t.Run(name+"/"+protocol.String(), func(t *testing.T) {
				block := holdBlock(t, hold.New(), protocol, 1)
				port := block.Range().First()
				requireRefused := func(when string, arguments ...any) {
					t.Helper()
					for _, a := range attempts() {
						require.ErrorIs(t, a.bind(int(protocol), port), unix.EADDRINUSE, "%+v %s", a, fmt.Sprintf(when, arguments...))
					}
				}
				requireRefused("before")
				for range 2 {
					for _, b := range bindings {
						socket := open(t, block, b, port)
						requireRefused("while the application has %v", b)
						require.NoError(t, block.Return(port))
						require.NoError(t, socket.Close())
						requireRefused("after the application had %v", b)
					}
				}
			})
		}
	}
}

// How often a thief of the same user gets a port that is handed over again and again. It proves
// nothing; docs/held-ports.md has what it logs.
func TestThiefOfTheSameUserAtEachAddress(t *testing.T) {
	if os.Getenv(roundsVariable) == "" {
		t.Skipf("a measurement: set %s", roundsVariable)
	}
	const handovers = 2000
	for _, protocol := range protocols {
		for name, open := range openers {
			for _, b := range []binding{bindings[0], bindings[2], bindings[5], bindings[6]} {
				t.Run(fmt.Sprintf("%v/%s/%v", protocol, name, b), func(t *testing.T) {
					block := holdBlock(t, hold.New(), protocol, 1)
					port := block.Range().First()
					file, err := os.CreateTemp(t.TempDir(), "table")
					require.NoError(t, err)
					defer func() { require.NoError(t, file.Close()) }()
					require.NoError(t, file.Truncate(4))
					held, unmap, err := openTable(file, 1)
					require.NoError(t, err)
					defer unmap()
					finish := startThief(t, file, thief{Protocol: int(protocol), User: -1, Ports: []uint16{port}})
					held[0].Add(1)
					for range handovers {
						socket := open(t, block, b, port)
						require.NoError(t, block.Return(port))
						require.NoError(t, socket.Close())
					}
					result, stolen := finish(), 0
					for _, times := range result.Stolen {
						stolen += times
					}
					t.Logf("%d handovers, %d tries, %d stolen", handovers, result.Tries, stolen)
				})
			}
		}
	}
}
