package scenario

import (
	"github.com/berthkit/berth/sockets/winsock"
)

// constants are the names from Windows' headers that stand for numbers in scenarios.
var constants = map[string]int64{
	"NULL":           0,
	"INVALID_SOCKET": -1,

	"AF_UNIX":  winsock.AF_UNIX,
	"AF_INET":  winsock.AF_INET,
	"AF_INET6": winsock.AF_INET6,

	"SOCK_STREAM": winsock.SOCK_STREAM,
	"SOCK_DGRAM":  winsock.SOCK_DGRAM,
	"SOCK_RAW":    winsock.SOCK_RAW,

	"IPPROTO_IP":   winsock.IPPROTO_IP,
	"IPPROTO_IPV6": winsock.IPPROTO_IPV6,
	"IPPROTO_TCP":  winsock.IPPROTO_TCP,
	"IPPROTO_UDP":  winsock.IPPROTO_UDP,

	"SOL_SOCKET":           winsock.SOL_SOCKET,
	"SO_REUSEADDR":         winsock.SO_REUSEADDR,
	"SO_EXCLUSIVEADDRUSE":  winsock.SO_EXCLUSIVEADDRUSE,
	"SO_BROADCAST":         winsock.SO_BROADCAST,
	"SO_RANDOMIZE_PORT":    winsock.SO_RANDOMIZE_PORT,
	"SO_PORT_SCALABILITY":  winsock.SO_PORT_SCALABILITY,
	"SO_REUSE_UNICASTPORT": winsock.SO_REUSE_UNICASTPORT,
	"SO_TYPE":              winsock.SO_TYPE,
	"SO_ACCEPTCONN":        winsock.SO_ACCEPTCONN,
	"IPV6_V6ONLY":          winsock.IPV6_V6ONLY,

	"SIO_ACQUIRE_PORT_RESERVATION":   winsock.SIO_ACQUIRE_PORT_RESERVATION,
	"SIO_ASSOCIATE_PORT_RESERVATION": winsock.SIO_ASSOCIATE_PORT_RESERVATION,
	"SIO_RELEASE_PORT_RESERVATION":   winsock.SIO_RELEASE_PORT_RESERVATION,
	"SIO_CPU_AFFINITY":               winsock.SIO_CPU_AFFINITY,
	"SIO_UDP_CONNRESET":              winsock.SIO_UDP_CONNRESET,

	"SD_RECEIVE": winsock.SHUT_RD,
	"SD_SEND":    winsock.SHUT_WR,
	"SD_BOTH":    winsock.SHUT_RDWR,
	"SOMAXCONN":  winsock.SOMAXCONN,
}
