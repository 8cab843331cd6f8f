package system_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/hold"
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

// A media server takes a pair of ports for one call, RTP on the even and RTCP on the odd one. From
// Acquire on nobody else in the system can have them.
func ExampleComputer_pair() {
	computer, remove := openExample()
	defer remove()
	defer computer.Close()

	ctx := context.Background()
	call, err := sockets.Open(ctx, computer, reservation.UDP)
	if err != nil {
		log.Fatal(err)
	}
	defer call.Close() // ends the reservation
	pair, err := call.Acquire(ctx, reservation.Request{Count: 2, Align: 2, Label: "call 17"})
	if err != nil {
		log.Fatal(err)
	}
	config := sockets.ListenConfig{Process: computer, Token: pair.Token}
	rtp, err := config.ListenUDP(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(pair.Range.First())})
	if err != nil {
		log.Fatal(err)
	}
	defer rtp.Close() // falls back to the reservation
	rtcp, err := config.ListenUDP(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(pair.Range.Last())})
	if err != nil {
		log.Fatal(err)
	}
	defer rtcp.Close()

	if how, held := rtp.Handover(); held && how != hold.Gapless {
		fmt.Fprintln(os.Stderr, "on this system a port is free for a moment when it is bound")
	}
	first, second := rtp.LocalAddr().(*net.UDPAddr).Port, rtcp.LocalAddr().(*net.UDPAddr).Port
	fmt.Println("even:", first%2 == 0, "next to each other:", second == first+1)
	// Output: even: true next to each other: true
}

// A program that shows the reservations of its computer is told of each change.
func ExampleComputer_Watch() {
	computer, remove := openExample()
	defer remove()
	defer computer.Close()

	ctx := context.Background()
	ports, err := computer.Free(ctx, reservation.TCP, 100, pool.Search{Within: reservation.DefaultDynamic})
	if err != nil {
		log.Fatal(err)
	}
	if err := computer.AddExclusion(ctx, reservation.TCP, ports, reservation.ActiveStore); err != nil {
		log.Fatal(err)
	}
	for change, err := range computer.Watch(ctx) {
		if err != nil {
			log.Print(err) // the store could not be read; the watch goes on
			continue
		}
		fmt.Println(change.Kind, change.Protocol, change.Range == ports)
		if change.Kind == reservation.BlockRemoved {
			break
		}
		if err := computer.DeleteExclusion(ctx, reservation.TCP, ports, reservation.ActiveStore); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// block present tcp true
	// block removed tcp true
}

// openExample opens a computer on a store of its own.
func openExample() (computer *system.Computer, remove func()) {
	directory, err := os.MkdirTemp("", "berth")
	if err != nil {
		log.Fatal(err)
	}
	computer, err = system.Open(context.Background(), &system.Options{Store: filepath.Join(directory, "berth.db"), BootID: "example"})
	if err != nil {
		log.Fatal(err)
	}
	return computer, func() { _ = os.RemoveAll(directory) }
}
