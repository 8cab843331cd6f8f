package sockets_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/sockets"
	"github.com/berthkit/berth/sockets/inuse"
)

// Two sockets from one reserved block exchange a datagram. The engine of this example forgets
// everything at its end; package system has the one that keeps reservations across restarts.
func ExampleListenConfig_ListenUDP() {
	ctx := context.Background()
	host, err := reservation.New(ctx, reservation.Config{
		Journal: reservation.NewMemoryJournal(),
		Ports:   inuse.New(),
		BootID:  "example",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	process := host.Process(reservation.Caller{Elevated: true})

	block, err := process.Free(ctx, reservation.UDP, 100, pool.Search{Within: pool.MustParseRange("20000-29999")})
	if err != nil {
		log.Fatal(err)
	}
	token, err := process.CreatePersistent(ctx, reservation.UDP, block, "media")
	if err != nil {
		log.Fatal(err)
	}

	config := sockets.ListenConfig{Process: process, Token: token}
	receiver, err := config.ListenPacket(ctx, "udp4", "127.0.0.1:0") // any free port of the block
	if err != nil {
		log.Fatal(err)
	}
	defer receiver.Close()
	sender, err := config.ListenPacket(ctx, "udp4", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer sender.Close()

	if _, err := sender.WriteTo([]byte("ahoy"), receiver.LocalAddr()); err != nil {
		log.Fatal(err)
	}
	datagram := make([]byte, 16)
	n, from, err := receiver.ReadFrom(datagram)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, from the other socket: %v\n", datagram[:n], from.String() == sender.LocalAddr().String())
	// Output: ahoy, from the other socket: true
}

// A pair of ports as RTP wants them, even first, for the lifetime of one socket.
func ExampleSocket() {
	ctx := context.Background()
	host, err := reservation.New(ctx, reservation.Config{
		Journal: reservation.NewMemoryJournal(),
		Ports:   inuse.New(),
		BootID:  "example",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	process := host.Process(reservation.Caller{}) // a runtime reservation needs no privilege

	socket, err := sockets.Open(ctx, process, reservation.UDP)
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close() // ends the reservation
	pair, err := socket.Acquire(ctx, reservation.Request{Count: 2, Align: 2})
	if err != nil {
		log.Fatal(err)
	}
	if err := socket.Associate(ctx, pair.Token); err != nil {
		log.Fatal(err)
	}
	media, err := socket.BindUDP(ctx, "udp4", nil)
	if err != nil {
		log.Fatal(err)
	}
	control, err := (&sockets.ListenConfig{Process: process, Token: pair.Token}).ListenUDP(ctx, "udp4", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer control.Close()
	fmt.Println(udpPort(media)%2, udpPort(control)-udpPort(media))
	// Output: 0 1
}
