package reservation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A reservation outlives a boot; its token does not.
func Example() {
	ctx := context.Background()
	journal := reservation.NewMemoryJournal()
	host, err := reservation.New(ctx, reservation.Config{Journal: journal, BootID: "monday"})
	if err != nil {
		fmt.Println(err)
		return
	}
	media := host.Process(reservation.Caller{Elevated: true})
	ports := pool.MustParseRange("50000-50099")
	token, _ := media.CreatePersistent(ctx, reservation.UDP, ports, "media")
	socket, _ := media.Open(ctx, reservation.UDP)
	_ = socket.Associate(ctx, token)
	port, _ := socket.Bind(ctx, 0, nil)
	fmt.Println("bound", port)

	host.Close() // the computer restarts
	host, _ = reservation.New(ctx, reservation.Config{Journal: journal.Reopen(), BootID: "tuesday"})
	defer host.Close()
	media = host.Process(reservation.Caller{Elevated: true})
	socket, _ = media.Open(ctx, reservation.UDP)
	fmt.Println("stale:", errors.Is(socket.Associate(ctx, token), reservation.ErrTokenStale))
	token, _ = media.LookupPersistent(ctx, reservation.UDP, ports)
	fmt.Println("again:", socket.Associate(ctx, token))
	// Output:
	// bound 50000
	// stale: true
	// again: <nil>
}

// A runtime reservation lives as long as the endpoint that acquired it.
func ExampleEndpoint_Acquire() {
	ctx := context.Background()
	host, _ := reservation.New(ctx, reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
	defer host.Close()
	user := host.Process(reservation.Caller{})
	socket, _ := user.Open(ctx, reservation.UDP)
	pair, err := socket.Acquire(ctx, reservation.Request{Count: 2, Align: 2, Within: pool.MustParseRange("40001-40100")})
	fmt.Println(pair.Range, err)

	other, _ := user.Open(ctx, reservation.UDP)
	_, err = other.Bind(ctx, 40002, nil)
	fmt.Println("denied:", errors.Is(err, reservation.ErrDenied))
	socket.Close()
	_, err = other.Bind(ctx, 40002, nil)
	fmt.Println(err)
	// Output:
	// 40002-40003 <nil>
	// denied: true
	// <nil>
}
