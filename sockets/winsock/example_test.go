package winsock_test

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	windows "github.com/berthkit/berth/sockets/winsock"
)

// Code for Windows runs against a simulated computer: it reserves two ports, and a socket that does
// not carry the token is refused one of them.
func Example() {
	computer, err := machine.New(machine.Config{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer computer.Close()
	program := computer.Process("ada", machine.Plain)
	restore := windows.SetProcess(windows.New(program.API(), program.Network()))
	defer restore()

	// From here on it is what one writes on Windows.
	socket, _ := windows.Socket(windows.AF_INET, windows.SOCK_DGRAM, windows.IPPROTO_UDP)
	defer windows.Closesocket(socket)
	input := binary.BigEndian.AppendUint16(nil, 50000) // the first port, in network order
	input = binary.NativeEndian.AppendUint16(input, 2) // how many
	output := make([]byte, 16)                         // the ports again, and a token
	var returned uint32
	err = windows.WSAIoctl(socket, windows.SIO_ACQUIRE_PORT_RESERVATION, &input[0], 4, &output[0], 16, &returned, nil, 0)
	fmt.Println("acquire:", err, returned)

	stranger, _ := windows.Socket(windows.AF_INET, windows.SOCK_DGRAM, windows.IPPROTO_UDP)
	defer windows.Closesocket(stranger)
	err = windows.Bind(stranger, &windows.SockaddrInet4{Port: 50001})
	fmt.Println("stranger:", err == windows.WSAEACCES)

	err = windows.WSAIoctl(socket, windows.SIO_ASSOCIATE_PORT_RESERVATION, &output[8], 8, nil, 0, &returned, nil, 0)
	fmt.Println("associate:", err)
	fmt.Println("bind:", windows.Bind(socket, &windows.SockaddrInet4{Port: 50001}))
	// Output:
	// acquire: <nil> 16
	// stranger: true
	// associate: <nil>
	// bind: <nil>
}

// On this computer's own network a datagram really arrives.
func ExampleRealNetwork() {
	host, err := reservation.New(context.Background(), reservation.Config{
		Journal: reservation.NewMemoryJournal(), BootID: "today",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	p := windows.New(host.Process(reservation.Caller{}), windows.RealNetwork())
	defer p.Exit()

	server, _ := p.Socket(windows.AF_INET, windows.SOCK_DGRAM, 0)
	_ = p.Bind(server, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	name, _ := p.Getsockname(server)
	client, _ := p.Socket(windows.AF_INET, windows.SOCK_DGRAM, 0)
	_ = p.Sendto(client, []byte("hello"), 0, name)
	buffer := make([]byte, 1500)
	n, _, _ := p.Recvfrom(server, buffer, 0)
	fmt.Printf("%s\n", buffer[:n])
	// Output: hello
}
