package supervise

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A socket is one of the program's, as a descriptor of ours.
type socket struct {
	descriptor int
	family     int                  // AF_INET or AF_INET6
	protocol   reservation.Protocol // UDP or TCP
}

// socketOf takes a copy of a descriptor of the caller of c. It returns errContinue if that is no
// socket of the internet, or if the caller is gone.
func (s *supervisor) socketOf(c call, descriptor int) (*socket, error) {
	process, err := openThread(int(c.thread))
	if err != nil {
		return nil, s.giveUp(c, err)
	}
	defer unix.Close(process)
	duplicate, err := unix.PidfdGetfd(process, descriptor, 0)
	if err != nil {
		return nil, s.giveUp(c, err)
	}
	found := &socket{descriptor: duplicate}
	if !isWaiting(s.listener, c.id) || !found.look() {
		found.close()
		return nil, errContinue
	}
	return found, nil
}

// look finds out what kind of socket it is.
func (s *socket) look() bool {
	family, err := unix.GetsockoptInt(s.descriptor, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || family != unix.AF_INET && family != unix.AF_INET6 {
		return false
	}
	protocol, err := unix.GetsockoptInt(s.descriptor, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return false
	}
	s.family = family
	switch protocol {
	case unix.IPPROTO_UDP:
		s.protocol = pool.UDP
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP: // Go servers listen with the second by default
		s.protocol = pool.TCP
	}
	return s.protocol != 0
}

// port returns the port that the socket is bound to, or 0.
func (s *socket) port() uint16 {
	address, err := unix.Getsockname(s.descriptor)
	if err != nil {
		return 0
	}
	switch address := address.(type) {
	case *unix.SockaddrInet4:
		return uint16(address.Port)
	case *unix.SockaddrInet6:
		return uint16(address.Port)
	}
	return 0
}

// cookie returns the kernel's number of the socket, which no other one ever has.
func (s *socket) cookie() uint64 {
	cookie, err := unix.GetsockoptUint64(s.descriptor, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

func (s *socket) close() { _ = unix.Close(s.descriptor) }

// pidfdThread makes a descriptor for a thread, PIDFD_THREAD of <linux/pidfd.h>, since Linux 6.9.
const pidfdThread = unix.O_EXCL

var lacksThreads atomic.Bool // pidfdThread is unknown to this kernel

// openThread returns a process descriptor through which the files of a thread can be had.
func openThread(thread int) (int, error) {
	if !lacksThreads.Load() {
		process, err := unix.PidfdOpen(thread, pidfdThread)
		if err != unix.EINVAL {
			return process, err
		}
		lacksThreads.Store(true)
	}
	leader, err := leaderOf(thread)
	if err != nil {
		return -1, err
	}
	return unix.PidfdOpen(leader, 0)
}

// leaderOf returns the process of a thread: the Tgid line of its status, proc_pid_status(5).
func leaderOf(thread int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if number, found := strings.CutPrefix(line, "Tgid:"); found {
			return strconv.Atoi(strings.TrimSpace(number))
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no Tgid", thread)
}
