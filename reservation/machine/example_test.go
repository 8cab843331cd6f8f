package machine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
)

// A program reserves ports, the computer restarts, and the program finds out what has changed.
func Example() {
	ctx := context.Background()
	m, err := machine.New(machine.Config{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	game := pool.MustParseRange("50000-50099")
	installer := m.Process("alice", machine.Administrator)
	_, err = installer.CreatePersistent(ctx, machine.UDP, game, "game")
	fmt.Println("not elevated:", errors.Is(err, reservation.ErrDenied))

	installer = m.Process("alice", machine.Elevated)
	token, err := installer.CreatePersistent(ctx, machine.UDP, game, "game")
	fmt.Println("elevated:", err)

	if err := m.Reboot(); err != nil {
		log.Fatal(err)
	}
	_, err = installer.LookupPersistent(ctx, machine.UDP, game)
	fmt.Println("old process:", errors.Is(err, reservation.ErrClosed))

	server := m.Process("alice", machine.Elevated)
	endpoint, err := server.Open(ctx, machine.UDP)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("old token:", errors.Is(endpoint.Associate(ctx, token), reservation.ErrTokenStale))
	token, err = server.LookupPersistent(ctx, machine.UDP, game)
	fmt.Println("lookup:", err)
	fmt.Println("new token:", endpoint.Associate(ctx, token))
	// Output:
	// not elevated: true
	// elevated: <nil>
	// old process: true
	// old token: true
	// lookup: <nil>
	// new token: <nil>
}

// Both halves of a socket are bound together: the engine chooses the port, the network checks the
// address.
func Example_bind() {
	ctx := context.Background()
	m, err := machine.New(machine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	p := m.Process("alice", machine.Plain)
	endpoint, err := p.Open(ctx, machine.UDP)
	if err != nil {
		log.Fatal(err)
	}
	socket, err := p.OpenSocket(reservation.IPv4, machine.UDP)
	if err != nil {
		log.Fatal(err)
	}
	block, err := endpoint.Acquire(ctx, reservation.Request{First: 40000, Count: 4})
	if err != nil {
		log.Fatal(err)
	}
	if err := endpoint.Associate(ctx, block.Token); err != nil {
		log.Fatal(err)
	}
	if err := m.Steal(machine.UDP, 40000, 1); err != nil { // before the next bind
		log.Fatal(err)
	}
	port, err := reservation.BindSocket(ctx, endpoint, socket, netip.MustParseAddrPort("0.0.0.0:0"))
	fmt.Println(port, err)
	// Output: 40001 <nil>
}

func ExampleMachine_CutPowerAtCommit() {
	ctx := context.Background()
	m, err := machine.New(machine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	block := pool.MustParseRange("50000-50099")
	m.CutPowerAtCommit(true) // the answer is lost, the reservation is not
	_, err = m.Process("alice", machine.Elevated).CreatePersistent(ctx, machine.UDP, block, "")
	fmt.Println(err)
	if err := m.PowerCut(); err != nil {
		log.Fatal(err)
	}
	_, err = m.Process("alice", machine.Plain).LookupPersistent(ctx, machine.UDP, block)
	fmt.Println(err)
	// Output:
	// create udp 50000-50099: already closed
	// <nil>
}

// A computer that somebody has sent a capture of can be rebuilt, whatever language it speaks.
func ExampleParseNetsh() {
	rows, err := machine.ParseNetsh(strings.NewReader(`
Protokoll tcp Portausschlussbereiche

Startport      Endport
----------    --------
      5357        5357
     49691       49790
     50000       50059     *

* - Verwaltete Portausschlüsse.
`))
	if err != nil {
		log.Fatal(err)
	}
	m, err := machine.New(machine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Import(rows); err != nil {
		log.Fatal(err)
	}
	m.WriteTo(os.Stdout)
	// Output:
	// machine seed 0, boot 1, 2020-01-01T00:00:00Z
	// dynamic tcp 49152-65535
	// dynamic udp 49152-65535
	// service imported, running
	// block tcp 5357 runtime, label "imported", process 4
	// block tcp 49691-49790 runtime, label "imported", process 4
	// block tcp 50000-50059 exclusion, persistent store
}

func ExampleMachine_WriteTo() {
	m, err := machine.New(machine.Config{Seed: 42})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Install(machine.HTTPService(80)); err != nil {
		log.Fatal(err)
	}
	if _, err := m.Occupy(machine.UDP, 5353, "mdns.exe"); err != nil {
		log.Fatal(err)
	}
	m.Run(machine.Program{Name: "game.exe", User: "alice", Privilege: machine.Elevated})
	m.WriteTo(os.Stdout)
	// Output:
	// machine seed 42, boot 1, 2020-01-01T00:00:00Z
	// dynamic tcp 49152-65535
	// dynamic udp 49152-65535
	// service http, running
	// process 1000 mdns.exe, user "somebody else", plain
	// process 1004 game.exe, user "alice", elevated
	// block tcp 80 runtime, label "http", process 4
	// socket udp [::]:5353 dual, process 1000
}
