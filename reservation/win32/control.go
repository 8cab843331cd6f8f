package win32

// The parts that control codes of Winsock are made of.
//
// https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsaioctl
const (
	IOC_OUT    = 0x40000000
	IOC_IN     = 0x80000000
	IOC_INOUT  = IOC_IN | IOC_OUT
	IOC_VENDOR = 0x18000000
)

// The control codes of port reservations.
const (
	// SIO_ACQUIRE_PORT_RESERVATION takes an [INET_PORT_RANGE] and returns an
	// [INET_PORT_RESERVATION_INSTANCE], although its code has only the bit for input. With both bits
	// set Windows answers WSAEOPNOTSUPP.
	//
	//	#define SIO_ACQUIRE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 100)
	//
	// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-acquire-port-reservation
	SIO_ACQUIRE_PORT_RESERVATION = IOC_IN | IOC_VENDOR | 100

	// SIO_RELEASE_PORT_RESERVATION takes an [INET_PORT_RESERVATION_TOKEN].
	//
	//	#define SIO_RELEASE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 101)
	//
	// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-release-port-reservation
	SIO_RELEASE_PORT_RESERVATION = IOC_IN | IOC_VENDOR | 101

	// SIO_ASSOCIATE_PORT_RESERVATION takes an [INET_PORT_RESERVATION_TOKEN].
	//
	//	#define SIO_ASSOCIATE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 102)
	//
	// https://learn.microsoft.com/en-us/windows/win32/winsock/sio-associate-port-reservation
	SIO_ASSOCIATE_PORT_RESERVATION = IOC_IN | IOC_VENDOR | 102
)
