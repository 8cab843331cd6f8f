package winsock

import (
	"encoding/binary"
	"maps"
	"time"
	"unsafe"

	"github.com/berthkit/berth/reservation"
)

// options are what setsockopt and ioctl told a socket. The zero options are Windows' own: an IPv6
// socket is not dual mode (IPV6_V6ONLY is 1).
type options struct {
	reuseAddress   bool
	exclusive      bool
	dualMode       bool
	broadcast      bool
	shared         bool // SIO_CPU_AFFINITY: one port, a socket for each processor
	nonBlocking    bool
	listening      bool
	sendTimeout    time.Duration
	receiveTimeout time.Duration
	others         map[optionName]int32 // accepted, remembered, of no effect
}

type optionName struct{ level, name int32 }

// network is what the network is to know of the options. Sockets that share a port by processor are
// bound as those that reuse an address are: the rest of the system sees no difference.
func (o *options) network() reservation.SocketOptions {
	return reservation.SocketOptions{
		ReuseAddress: o.reuseAddress || o.shared,
		Exclusive:    o.exclusive && !o.shared,
		DualMode:     o.dualMode,
		Broadcast:    o.broadcast,
	}
}

// accepted are the options that are remembered and change nothing: what they tune, the network
// here does as it does it. The number is their value before it is set.
var accepted = map[optionName]int32{
	{SOL_SOCKET, SO_KEEPALIVE}:             0,
	{SOL_SOCKET, SO_DONTROUTE}:             0,
	{SOL_SOCKET, SO_SNDBUF}:                65536,
	{SOL_SOCKET, SO_RCVBUF}:                65536,
	{SOL_SOCKET, SO_RANDOMIZE_PORT}:        0,
	{SOL_SOCKET, SO_PORT_SCALABILITY}:      0,
	{SOL_SOCKET, SO_REUSE_UNICASTPORT}:     0,
	{SOL_SOCKET, SO_REUSE_MULTICASTPORT}:   0,
	{SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT}: 0,
	{IPPROTO_IP, IP_TOS}:                   0,
	{IPPROTO_IP, IP_TTL}:                   128,
	{IPPROTO_IP, IP_MULTICAST_TTL}:         1,
	{IPPROTO_IP, IP_MULTICAST_LOOP}:        1,
	{IPPROTO_IP, IP_PKTINFO}:               0,
	{IPPROTO_IP, IP_MTU_DISCOVER}:          0,
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS}:      128,
	{IPPROTO_IPV6, IPV6_MULTICAST_HOPS}:    1,
	{IPPROTO_IPV6, IPV6_MULTICAST_LOOP}:    1,
	{IPPROTO_IPV6, IPV6_PKTINFO}:           0,
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER}:      0,
	{IPPROTO_TCP, TCP_NODELAY}:             0,
	{IPPROTO_TCP, TCP_KEEPALIVE}:           7200,
	{IPPROTO_TCP, TCP_FASTOPEN}:            0,
	{IPPROTO_TCP, TCP_KEEPCNT}:             10,
	{IPPROTO_TCP, TCP_KEEPINTVL}:           1,
	{IPPROTO_UDP, UDP_NOCHECKSUM}:          0,
}

// applies reports whether sockets of the protocol and family have options of the level.
func (s *socket) applies(level int32) bool {
	switch level {
	case IPPROTO_TCP:
		return s.protocol == reservation.TCP
	case IPPROTO_UDP:
		return s.protocol == reservation.UDP
	case IPPROTO_IPV6:
		return s.family == reservation.IPv6
	}
	return true
}

// SetsockoptInt sets an option. It returns WSAENOPROTOOPT for one that is unknown or that sockets of
// this kind do not have, and WSAEINVAL where it comes too late or does not go with another: see
// SO_REUSEADDR and SO_EXCLUSIVEADDRUSE. An option that tunes what the network here does in its own
// way is remembered and changes nothing.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-setsockopt
func (p *Process) SetsockoptInt(fd Handle, level, opt int, value int) (err error) {
	s, err := p.socket(fd)
	if err != nil {
		return p.fail(err)
	}
	return p.fail(s.setOption(optionName{int32(level), int32(opt)}, int32(value)))
}

// Setsockopt is [Process.SetsockoptInt] for a value in memory. It returns WSAEFAULT for a nil optval
// and for an optlen below 4; of what is longer it reads the first 4 bytes. SO_LINGER is accepted
// and changes nothing.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-setsockopt
func (p *Process) Setsockopt(s Handle, level int32, optname int32, optval *byte, optlen int32) (err error) {
	if _, err := p.socket(s); err != nil {
		return p.fail(err)
	}
	if optval == nil || optlen < 4 {
		return p.fail(WSAEFAULT)
	}
	if level == SOL_SOCKET && optname == SO_LINGER {
		return nil
	}
	value := (*[4]byte)(unsafe.Pointer(optval)) // the caller has promised optlen bytes, which are no fewer
	return p.SetsockoptInt(s, int(level), int(optname), int(int32(binary.NativeEndian.Uint32(value[:]))))
}

// SetsockoptLinger accepts SO_LINGER; see [Process.Setsockopt].
func (p *Process) SetsockoptLinger(fd Handle, level, opt int, l *Linger) (err error) {
	if l == nil {
		return p.fail(WSAEFAULT)
	}
	memory := [4]byte{}
	binary.NativeEndian.PutUint16(memory[:], uint16(l.Onoff))
	binary.NativeEndian.PutUint16(memory[2:], uint16(l.Linger))
	return p.Setsockopt(fd, int32(level), int32(opt), &memory[0], int32(len(memory)))
}

func (s *socket) setOption(name optionName, value int32) error {
	s.binding.Lock() // the network learns of options before the bind or not at all
	defer s.binding.Unlock()
	s.mu.Lock()
	changed := s.options
	s.mu.Unlock()
	if err := s.change(&changed, name, value); err != nil {
		return err
	}
	if _, plain := accepted[name]; plain {
		changed.others = maps.Clone(changed.others)
		if changed.others == nil {
			changed.others = map[optionName]int32{}
		}
		changed.others[name] = value
	}
	return s.keep(changed)
}

// keep tells the network what it does not know of the changed options yet, and then remembers them.
// It is called while binding is held.
func (s *socket) keep(changed options) error {
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	next := changed.network()
	if s.isBound() { // the rest comes too late: Windows accepts it without effect
		next = told
		next.Broadcast = changed.broadcast
	}
	if err := s.network.SetOptions(next); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed.nonBlocking, changed.listening = s.options.nonBlocking, s.options.listening
	s.options, s.told = changed, next
	return nil
}

// change sets one option in o.
func (s *socket) change(o *options, name optionName, value int32) error {
	on := value != 0
	if !s.applies(name.level) {
		return WSAENOPROTOOPT
	}
	switch name {
	case optionName{SOL_SOCKET, SO_REUSEADDR}:
		if on && o.exclusive {
			return WSAEINVAL
		}
		o.reuseAddress = on
	case optionName{SOL_SOCKET, SO_EXCLUSIVEADDRUSE}:
		if on && o.reuseAddress || s.isBound() {
			return WSAEINVAL
		}
		o.exclusive = on
	case optionName{IPPROTO_IPV6, IPV6_V6ONLY}:
		if s.isBound() {
			return WSAEINVAL
		}
		o.dualMode = !on
	case optionName{SOL_SOCKET, SO_BROADCAST}:
		if s.protocol != reservation.UDP {
			return WSAENOPROTOOPT
		}
		o.broadcast = on
	case optionName{SOL_SOCKET, SO_SNDTIMEO}:
		o.sendTimeout = time.Duration(uint32(value)) * time.Millisecond
	case optionName{SOL_SOCKET, SO_RCVTIMEO}:
		o.receiveTimeout = time.Duration(uint32(value)) * time.Millisecond
	default:
		if _, known := accepted[name]; !known {
			return WSAENOPROTOOPT
		}
	}
	return nil
}

// GetsockoptInt returns the value of an option, WSAENOPROTOOPT for one that is unknown or that
// sockets of this kind do not have. A boolean option is 0 or 1.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-getsockopt
func (p *Process) GetsockoptInt(fd Handle, level, opt int) (int, error) {
	s, err := p.socket(fd)
	if err != nil {
		return 0, p.fail(err)
	}
	value, err := s.option(optionName{int32(level), int32(opt)})
	return int(value), p.fail(err)
}

// Getsockopt is [Process.GetsockoptInt] for a value in memory. It returns WSAEFAULT for nil pointers
// and for an optlen below 4, and sets optlen to 4.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-getsockopt
func (p *Process) Getsockopt(s Handle, level int32, optname int32, optval *byte, optlen *int32) (err error) {
	if _, err := p.socket(s); err != nil {
		return p.fail(err)
	}
	if optval == nil || optlen == nil || *optlen < 4 {
		return p.fail(WSAEFAULT)
	}
	value, err := p.GetsockoptInt(s, int(level), int(optname))
	if err != nil {
		return err
	}
	memory := (*[4]byte)(unsafe.Pointer(optval)) // the caller has promised *optlen bytes, which are no fewer
	binary.NativeEndian.PutUint32(memory[:], uint32(int32(value)))
	*optlen = 4
	return nil
}

func (s *socket) option(name optionName) (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.options
	if !s.applies(name.level) {
		return 0, WSAENOPROTOOPT
	}
	switch name {
	case optionName{SOL_SOCKET, SO_REUSEADDR}:
		return flag(o.reuseAddress), nil
	case optionName{SOL_SOCKET, SO_EXCLUSIVEADDRUSE}:
		return flag(o.exclusive), nil
	case optionName{IPPROTO_IPV6, IPV6_V6ONLY}:
		return flag(!o.dualMode), nil
	case optionName{SOL_SOCKET, SO_BROADCAST}:
		return flag(o.broadcast), nil
	case optionName{SOL_SOCKET, SO_SNDTIMEO}:
		return int32(o.sendTimeout / time.Millisecond), nil
	case optionName{SOL_SOCKET, SO_RCVTIMEO}:
		return int32(o.receiveTimeout / time.Millisecond), nil
	case optionName{SOL_SOCKET, SO_ACCEPTCONN}:
		return flag(o.listening), nil
	case optionName{SOL_SOCKET, SO_ERROR}:
		return 0, nil
	case optionName{SOL_SOCKET, SO_TYPE}:
		if s.protocol == reservation.UDP {
			return SOCK_DGRAM, nil
		}
		return SOCK_STREAM, nil
	}
	value, known := accepted[name]
	if !known {
		return 0, WSAENOPROTOOPT
	}
	if set, is := o.others[name]; is {
		value = set
	}
	return value, nil
}

func flag(on bool) int32 {
	if on {
		return 1
	}
	return 0
}
