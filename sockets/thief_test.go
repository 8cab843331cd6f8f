//go:build linux || darwin || freebsd

package sockets_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
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
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/hold"
)

const (
	// heldRoundsVariable sets the rounds of TestThiefGetsNothing, for each protocol and thief.
	heldRoundsVariable = "BERTH_HELD_ROUNDS"
	// thiefVariable makes this test binary a thief: it holds the job as JSON.
	thiefVariable = "BERTH_THIEF"
)

// A thiefJob is where a thief steals. Descriptor 3 is the log of what is held.
type thiefJob struct {
	Protocol    reservation.Protocol
	First, Last uint16
}

// A loot is what a thief tells at its end.
type loot struct {
	Tries, Stolen int
	Ways          map[string]int // by way, of what was stolen
}

// A heldLog has a number for each port, shared between processes: odd while the port is held, and
// another one each time that it is. So a bind that succeeded while the number was odd and stayed the
// same was of a held port, however long it took.
type heldLog []uint32

func mapHeldLog(t *testing.T, file *os.File) heldLog {
	const size = (pool.MaxPort + 1) * 4
	memory, err := unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(memory)) })
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(memory))), pool.MaxPort+1)
}

func (l heldLog) turn(r reservation.Range) {
	for port := range r.Ports() {
		atomic.AddUint32(&l[port], 1)
	}
}

func (l heldLog) isHeld(port uint16) (turn uint32, held bool) {
	turn = atomic.LoadUint32(&l[port])
	return turn, turn%2 == 1
}

// TestThief is the thief's program.
func TestThief(t *testing.T) {
	described := os.Getenv(thiefVariable)
	if described == "" {
		t.Skip("runs as a program that TestThiefGetsNothing starts")
	}
	var job thiefJob
	require.NoError(t, json.Unmarshal([]byte(described), &job))
	held := mapHeldLog(t, os.NewFile(3, "log"))
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	told := loot{Ways: make(map[string]int)}
	for !over.Load() {
		for port := int(job.First); port <= int(job.Last); port++ {
			for way, steal := range waysToSteal {
				turn, isHeld := held.isHeld(uint16(port))
				if !isHeld {
					break
				}
				told.Tries++
				socket, err := steal(job.Protocol, port)
				if err != nil {
					continue
				}
				if later, _ := held.isHeld(uint16(port)); later == turn {
					told.Stolen++
					told.Ways[way]++
				}
				_ = unix.Close(socket)
			}
		}
	}
	require.NoError(t, json.NewEncoder(os.Stdout).Encode(told))
}

// waysToSteal are binds with every option and of every kind of address.
var waysToSteal = func() map[string]func(reservation.Protocol, int) (int, error) {
	ways := make(map[string]func(reservation.Protocol, int) (int, error))
	for options, set := range map[string][]int{
		"": nil, " with SO_REUSEADDR": {unix.SO_REUSEADDR}, " with SO_REUSEPORT": {unix.SO_REUSEPORT},
		" with both": {unix.SO_REUSEADDR, unix.SO_REUSEPORT},
	} {
		for name, address := range map[string]net.IP{
			"127.0.0.1": net.IPv4(127, 0, 0, 1), "0.0.0.0": net.IPv4zero, "::1": net.IPv6loopback, "::": net.IPv6unspecified,
		} {
			ways[name+options] = func(protocol reservation.Protocol, port int) (int, error) {
				return bindRaw(protocol, address, port, set)
			}
		}
	}
	return ways
}()

func bindRaw(protocol reservation.Protocol, ip net.IP, port int, options []int) (socket int, err error) {
	family, kind := unix.AF_INET6, unix.SOCK_DGRAM
	var address unix.Sockaddr
	if ip4 := ip.To4(); ip4 != nil {
		family, address = unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: [4]byte(ip4)}
	} else {
		address = &unix.SockaddrInet6{Port: port, Addr: [16]byte(ip)}
	}
	if protocol == pool.TCP {
		kind = unix.SOCK_STREAM
	}
	if socket, err = unix.Socket(family, kind, 0); err != nil {
		return -1, err
	}
	for _, option := range options {
		err = errors.Join(err, unix.SetsockoptInt(socket, unix.SOL_SOCKET, option, 1))
	}
	if err == nil {
		err = unix.Bind(socket, address)
	}
	if err != nil {
		_ = unix.Close(socket)
	}
	return socket, err
}

// startThief starts a thief, and returns what ends it and tells its loot. As another user it needs
// this program to be root's.
func startThief(t *testing.T, job thiefJob, log *os.File, asAnother bool) (end func() loot) {
	described, err := json.Marshal(job)
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program, "-test.run=^TestThief$")
	if asAnother {
		command.Path = "/proc/self/exe" // the file may lie where others may not look
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	command.Env = append(os.Environ(), thiefVariable+"="+string(described))
	command.ExtraFiles = []*os.File{log}
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	return sync.OnceValue(func() loot {
		_ = stdin.Close()
		var told loot
		line, _ := bufio.NewReader(stdout).ReadBytes('\n')
		decoding := json.Unmarshal(line, &told)
		_, _ = io.Copy(io.Discard, stdout)
		require.NoError(t, command.Wait())
		require.NoError(t, decoding)
		return told
	})
}

// TestThiefGetsNothing has 64 goroutines acquire, associate, bind, close and release in a small range,
// while a program outside tries to bind every port of it in a loop, in every way. As another user it
// gets no port that is held. As the same user it may get one in the microseconds of a handover, on
// systems where only that is possible; how many is said.
func TestThiefGetsNothing(t *testing.T) {
	const goroutines = 64
	rounds := 20 * goroutines
	if set := os.Getenv(heldRoundsVariable); set != "" {
		var err error
		rounds, err = strconv.Atoi(set)
		require.NoError(t, err, heldRoundsVariable)
	}
	for _, protocol := range pool.Protocols() {
		for _, thief := range []string{"same user", "another user"} {
			t.Run(protocol.String()+"/"+thief, func(t *testing.T) {
				asAnother := thief == "another user"
				if asAnother && (os.Geteuid() != 0 || !fileExists("/proc/self/exe")) {
					t.Skip("only root of a system with /proc can start a program as another user here")
				}
				process, _, _ := newHoldingProcess(t)
				within := freeRange(t, process, protocol, 4*goroutines)
				log, err := os.CreateTemp(t.TempDir(), "held")
				require.NoError(t, err)
				defer log.Close()
				require.NoError(t, log.Truncate((pool.MaxPort+1)*4))
				held := mapHeldLog(t, log)
				end := startThief(t, thiefJob{protocol, within.First(), within.Last()}, log, asAnother)
				defer end()
				var gapless atomic.Bool
				require.NoError(t, holdARound(t, process, protocol, within, held, &gapless))
				before := openFiles()
				var group sync.WaitGroup
				for range goroutines {
					group.Go(func() {
						for range rounds / goroutines {
							if err := holdARound(t, process, protocol, within, held, &gapless); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
				require.Equal(t, before, openFiles(), "no descriptor is left")
				told := end()
				t.Logf("%d rounds, %d tries of the thief, stolen: %d %v", rounds, told.Tries, told.Stolen, told.Ways)
				require.NotZero(t, told.Tries)
				if asAnother && gapless.Load() {
					require.Zero(t, told.Stolen)
				}
			})
		}
	}
}

// openFiles returns how many files this program has open, 0 where the system does not tell.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// holdARound acquires two ports, binds a socket from them twice, and gives all back.
func holdARound(t *testing.T, process *reservation.Process, protocol reservation.Protocol, within reservation.Range, log heldLog, gapless *atomic.Bool) error {
	owner, err := sockets.Open(t.Context(), process, protocol)
	if err != nil {
		return err
	}
	defer owner.Close()
	held, err := owner.Acquire(t.Context(), reservation.Request{Count: 2, Within: within})
	if err != nil {
		return err
	}
	log.turn(held.Range)
	defer log.turn(held.Range)
	from := &sockets.ListenConfig{Process: process, Token: held.Token}
	for range 2 {
		socket, err := listenAny(t, from, protocol)
		if err != nil {
			return err
		}
		how, _ := socket.Handover()
		gapless.Store(how == hold.Gapless)
		if err := socket.Close(); err != nil {
			return err
		}
	}
	return nil
}

// A heldSocket is what UDPConn and TCPListener have in common.
type heldSocket interface {
	io.Closer
	Handover() (hold.Handover, bool)
}

func listenAny(t *testing.T, from *sockets.ListenConfig, protocol reservation.Protocol) (heldSocket, error) {
	if protocol == pool.TCP {
		return from.ListenTCP(t.Context(), "tcp4", loopbackTCP(0))
	}
	return from.ListenUDP(t.Context(), "udp4", loopback(0))
}
