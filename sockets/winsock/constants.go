package winsock

import "github.com/berthkit/berth/reservation/win32"

// Address families.
const (
	AF_UNSPEC  = 0
	AF_UNIX    = 1
	AF_INET    = 2
	AF_NETBIOS = 17
	AF_INET6   = 23
	AF_IRDA    = 26
	AF_BTH     = 32
)

// Types of socket.
const (
	SOCK_STREAM    = 1
	SOCK_DGRAM     = 2
	SOCK_RAW       = 3
	SOCK_RDM       = 4
	SOCK_SEQPACKET = 5
)

// Protocols, and levels of options.
const (
	IPPROTO_IP     = 0
	IPPROTO_ICMP   = 1
	IPPROTO_IGMP   = 2
	IPPROTO_TCP    = 6
	IPPROTO_UDP    = 17
	IPPROTO_IPV6   = 41
	IPPROTO_ICMPV6 = 58
	SOL_SOCKET     = 0xffff
)

// Options of sockets, level SOL_SOCKET. Package windows lacks some of them; the numbers are those of
// ws2def.h.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/winsock/sol-socket-socket-options
const (
	SO_ACCEPTCONN             = 0x0002
	SO_REUSEADDR              = 0x0004
	SO_EXCLUSIVEADDRUSE       = ^SO_REUSEADDR
	SO_KEEPALIVE              = 0x0008
	SO_DONTROUTE              = 0x0010
	SO_BROADCAST              = 0x0020
	SO_LINGER                 = 0x0080
	SO_SNDBUF                 = 0x1001
	SO_RCVBUF                 = 0x1002
	SO_SNDTIMEO               = 0x1005
	SO_RCVTIMEO               = 0x1006
	SO_ERROR                  = 0x1007
	SO_TYPE                   = 0x1008
	SO_RANDOMIZE_PORT         = 0x3005
	SO_PORT_SCALABILITY       = 0x3006
	SO_REUSE_UNICASTPORT      = 0x3007
	SO_REUSE_MULTICASTPORT    = 0x3008
	SO_UPDATE_ACCEPT_CONTEXT  = 0x700b
	SO_UPDATE_CONNECT_CONTEXT = 0x7010
)

// Options of the levels IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP and IPPROTO_UDP.
const (
	IP_TOS              = 0x3
	IP_TTL              = 0x4
	IP_MULTICAST_TTL    = 0xa
	IP_MULTICAST_LOOP   = 0xb
	IP_PKTINFO          = 0x13
	IP_MTU_DISCOVER     = 0x47
	IPV6_UNICAST_HOPS   = 0x4
	IPV6_MULTICAST_HOPS = 0xa
	IPV6_MULTICAST_LOOP = 0xb
	IPV6_PKTINFO        = 0x13
	IPV6_V6ONLY         = 0x1b
	IPV6_MTU_DISCOVER   = 0x47
	TCP_NODELAY         = 1
	TCP_KEEPALIVE       = 3
	TCP_KEEPIDLE        = TCP_KEEPALIVE
	TCP_FASTOPEN        = 15
	TCP_KEEPCNT         = 16
	TCP_KEEPINTVL       = 17
	UDP_NOCHECKSUM      = 1
)

// Control codes for [WSAIoctl]. Package windows lacks those of port reservations and of processors.
const (
	IOC_OUT                            = win32.IOC_OUT
	IOC_IN                             = win32.IOC_IN
	IOC_VENDOR                         = win32.IOC_VENDOR
	IOC_INOUT                          = win32.IOC_INOUT
	IOC_WS2                            = 0x08000000
	FIONBIO                            = 0x8004667e
	SIO_ACQUIRE_PORT_RESERVATION       = win32.SIO_ACQUIRE_PORT_RESERVATION
	SIO_RELEASE_PORT_RESERVATION       = win32.SIO_RELEASE_PORT_RESERVATION
	SIO_ASSOCIATE_PORT_RESERVATION     = win32.SIO_ASSOCIATE_PORT_RESERVATION
	SIO_CPU_AFFINITY                   = IOC_IN | IOC_VENDOR | 21
	SIO_GET_EXTENSION_FUNCTION_POINTER = IOC_INOUT | IOC_WS2 | 6
	SIO_KEEPALIVE_VALS                 = IOC_IN | IOC_VENDOR | 4
	SIO_UDP_CONNRESET                  = IOC_IN | IOC_VENDOR | 12
	SIO_UDP_NETRESET                   = IOC_IN | IOC_VENDOR | 15
)

// Flags and limits of calls.
const (
	MSG_OOB                    = 0x1
	MSG_PEEK                   = 0x2
	MSG_DONTROUTE              = 0x4
	MSG_WAITALL                = 0x8
	SHUT_RD                    = 0
	SHUT_WR                    = 1
	SHUT_RDWR                  = 2
	SOMAXCONN                  = 0x7fffffff
	WSA_FLAG_OVERLAPPED        = 0x01
	WSA_FLAG_NO_HANDLE_INHERIT = 0x80
	WSADESCRIPTION_LEN         = 256
	WSASYS_STATUS_LEN          = 128
	WSAPROTOCOL_LEN            = 255
	MAX_PROTOCOL_CHAIN         = 7
	DUPLICATE_CLOSE_SOURCE     = 0x1
	DUPLICATE_SAME_ACCESS      = 0x2
	INFINITE                   = 0xffffffff
	WAIT_OBJECT_0              = 0x0
	WAIT_IO_COMPLETION         = 0xc0

	WAIT_FAILED = 0xffffffff
)

// WAIT_TIMEOUT is what [WaitForSingleObject] says when the time is over.
const WAIT_TIMEOUT Errno = 258

// Ntohs returns a number in host byte order, given its bytes in network order.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-ntohs
func Ntohs(netshort uint16) (u uint16) { return win32.Ntohs(netshort) }
