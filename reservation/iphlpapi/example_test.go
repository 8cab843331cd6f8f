package iphlpapi_test

import (
	"context"
	"fmt"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// What the sample on Microsoft's page does with 5000 and 20: create, use, delete.
func Example() {
	ctx := context.Background()
	host, err := reservation.New(ctx, reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	admin := host.Process(reservation.Caller{Elevated: true})
	dll := iphlpapi.New(admin)

	var token uint64
	fmt.Println("create:", dll.CreatePersistentTcpPortReservation(win32.Htons(5000), 20, &token))
	socket, _ := admin.Open(ctx, reservation.TCP)
	_ = socket.Associate(ctx, reservation.Token(token))
	port, _ := socket.Bind(ctx, 0, nil)
	fmt.Println("bound:", port)
	_ = socket.Close()
	fmt.Println("delete:", dll.DeletePersistentTcpPortReservation(win32.Htons(5000), 20))
	// Output:
	// create: 0
	// bound: 5000
	// delete: 0
}

// Codes have names and texts, on every system.
func ExampleNew() {
	host, _ := reservation.New(context.Background(), reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
	defer host.Close()
	user := iphlpapi.New(host.Process(reservation.Caller{})) // not elevated
	var token uint64
	for _, code := range []uint32{
		user.CreatePersistentUdpPortReservation(win32.Htons(50000), 100, &token),
		user.CreatePersistentUdpPortReservation(0, 100, &token),
		user.LookupPersistentUdpPortReservation(win32.Htons(50000), 100, &token),
	} {
		fmt.Println(code, win32.Errno(code).Name(), win32.Errno(code))
	}
	// Output:
	// 5 ERROR_ACCESS_DENIED Access is denied.
	// 87 ERROR_INVALID_PARAMETER The parameter is incorrect.
	// 1168 ERROR_NOT_FOUND Element not found.
}
