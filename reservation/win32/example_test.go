package win32_test

import (
	"errors"
	"fmt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

func ExampleErrno() {
	code := win32.ERROR_SHARING_VIOLATION
	fmt.Println(uint32(code), code.Name())
	fmt.Println(code)
	fmt.Println(errors.Is(code, reservation.ErrInUse))
	// Output:
	// 32 ERROR_SHARING_VIOLATION
	// The process cannot access the file because it is being used by another process.
	// true
}

// One condition of the engine has a code at each door.
func ExampleWinsockErrno() {
	for _, err := range []error{reservation.ErrInUse, reservation.ErrDenied, reservation.ErrNotFound} {
		fmt.Println(err, "-", win32.IphlpapiErrno(err).Name(), "or", win32.WinsockErrno(err).Name())
	}
	// Output:
	// in use - ERROR_SHARING_VIOLATION or WSAEADDRINUSE
	// denied - ERROR_ACCESS_DENIED or WSAEACCES
	// not found - ERROR_NOT_FOUND or WSAEINVAL
}

func ExamplePortRange() {
	ports := win32.PortRange(pool.MustParseRange("5000+20"))
	bytes, _ := ports.MarshalBinary()
	fmt.Printf("% x\n", bytes[:2])
	fmt.Println(win32.Ntohs(ports.StartPort), ports.NumberOfPorts)
	// Output:
	// 13 88
	// 5000 20
}
