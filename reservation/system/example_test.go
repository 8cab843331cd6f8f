package system_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
)

// A program opens the engine of its computer, makes sure of its block and gets this boot's token.
func ExampleOpen() {
	directory, err := os.MkdirTemp("", "berth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)

	ctx := context.Background()
	computer, err := system.Open(ctx, &system.Options{
		Store:  filepath.Join(directory, "berth.db"), // nil Options use the usual place
		BootID: "example",                            // and the system's boot
	})
	if err != nil {
		log.Fatal(err)
	}
	defer computer.Close()

	block, err := computer.Free(ctx, reservation.UDP, 100, pool.Search{Within: reservation.DefaultDynamic})
	if err != nil {
		log.Fatal(err)
	}
	token, err := computer.CreatePersistent(ctx, reservation.UDP, block, "media")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(block.Count(), "ports,", "a token:", token != 0)
	// Output: 100 ports, a token: true
}
