package record_test

import (
	"context"
	"fmt"
	"os"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/record"
)

// A program records what it asks, and goes on as before.
func Example() {
	ctx := context.Background()
	host, err := reservation.New(ctx, reservation.Config{Journal: reservation.NewMemoryJournal(), BootID: "monday"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()

	recorder := record.NewRecorder(os.Stdout) // a file, usually
	process := recorder.API(host.Process(reservation.Caller{Elevated: true}))

	_, _ = process.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50000-50099"), "media")
	_, _ = process.CreatePersistent(ctx, reservation.UDP, pool.MustParseRange("50050-50149"), "games")
	socket, _ := process.Open(ctx, reservation.UDP)
	_, _ = socket.Acquire(ctx, reservation.Request{Count: 2, Align: 2, Within: pool.MustParseRange("50000-60000")})
	_ = socket.Close()
	if err := recorder.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// berth trace 1
	// overlaps udp 50000-50099
	// insert udp 50000-50099
	// overlaps udp 50050-50149
	// who udp 50050-50149
	// find udp 2 within 50000-60000 align 2
	// insert udp 50100-50101
	// delete udp 50100-50101
}
