package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

const (
	thiefVariable = "BERTH_TEST_THIEF"  // protocol and range that a thief is after
	honourable    = "BERTH_TEST_HONOUR" // the thief uses no reuse options: same-user programs may share by them
)

// A thief is another program that tries to get the ports of a block, over and over.
type thief struct {
	program *exec.Cmd
	stdin   io.Closer
	stdout  strings.Builder
}

// startThief starts a thief. It is another user where the tests run as root.
func startThief(t *testing.T, i *installation, protocol reservation.Protocol, ports string) *thief {
	t.Helper()
	th := &thief{program: exec.CommandContext(t.Context(), i.path)}
	th.program.Env = append(os.Environ(), thiefVariable+"="+protocol.String()+" "+ports)
	if os.Geteuid() == 0 {
		th.program.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	} else {
		th.program.Env = append(th.program.Env, honourable+"=1")
	}
	var err error
	th.stdin, err = th.program.StdinPipe()
	require.NoError(t, err)
	th.program.Stdout, th.program.Stderr = &th.stdout, os.Stderr
	require.NoError(t, th.program.Start())
	t.Cleanup(func() { _ = th.program.Process.Kill() })
	return th
}

// requireNothing ends the thief, while the block is still held, and requires that it tried and got none.
func (th *thief) requireNothing(t *testing.T) {
	t.Helper()
	require.NoError(t, th.stdin.Close())
	require.NoError(t, th.program.Wait())
	var tries, stolen int
	_, err := fmt.Sscan(th.stdout.String(), &tries, &stolen)
	require.NoError(t, err, th.stdout.String())
	require.NotZero(t, tries)
	require.Zero(t, stolen, "%s", th.stdout.String())
}

// steal is the thief. It prints how often it tried, how often it got a port, and how.
func steal(what string) int {
	protocolName, rangeText, _ := strings.Cut(what, " ")
	protocol, err := pool.ParseProtocol(protocolName)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ports := pool.MustParseRange(rangeText)
	var ended atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	options := [][]int{{}, {unix.SO_REUSEADDR}, {unix.SO_REUSEPORT}, {unix.SO_REUSEADDR, unix.SO_REUSEPORT}}
	if os.Getenv(honourable) != "" {
		options = options[:1]
	}
	tries, stolen := 0, 0
	var loot []string
	for !ended.Load() {
		for port := range ports.Ports() {
			for _, option := range options {
				for _, address := range addresses(port) {
					tries++
					if tryBind(protocol, option, address) {
						stolen++
						loot = append(loot, fmt.Sprintf("%v with options %v", address, option))
					}
				}
			}
		}
	}
	fmt.Println(tries, stolen, loot[:min(len(loot), 10)])
	return 0
}

func addresses(port uint16) []unix.Sockaddr {
	return []unix.Sockaddr{
		&unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}},
		&unix.SockaddrInet4{Port: int(port)},
		&unix.SockaddrInet6{Port: int(port), Addr: [16]byte{15: 1}},
		&unix.SockaddrInet6{Port: int(port)},
	}
}

// tryBind reports whether a socket can be bound, and closes it.
func tryBind(protocol reservation.Protocol, options []int, address unix.Sockaddr) bool {
	family, kind := unix.AF_INET6, unix.SOCK_DGRAM
	if _, is4 := address.(*unix.SockaddrInet4); is4 {
		family = unix.AF_INET
	}
	if protocol == reservation.TCP {
		kind = unix.SOCK_STREAM
	}
	socket, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(socket)
	for _, option := range options {
		_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, option, 1)
	}
	return unix.Bind(socket, address) == nil
}
