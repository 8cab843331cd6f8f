package berthtest_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/berthkit/berth/sockets/berthtest"
)

// TestServer would be a test of yours.
func Example() {
	TestServer := func(t *testing.T) {
		listener := berthtest.TCP(t, 1)[0] // bound and listening; closed when the test ends
		go serve(listener)
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		fmt.Println("connected")
	}
	_ = TestServer
}

// A media server under test wants a block of consecutive ports, and a client that sends to them.
func ExampleUDP() {
	TestMixer := func(t *testing.T) {
		ports := berthtest.UDP(t, 10)
		client := berthtest.UDP(t, 1)[0]
		for _, port := range ports {
			if _, err := client.WriteTo([]byte("frame"), port.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = TestMixer
}

// A client is to notice that nobody answers: a closed socket's port stays held until the test ends,
// so nobody can come to answer by chance.
func ExampleTCP() {
	TestNobodyAnswers := func(t *testing.T) {
		listener := berthtest.TCP(t, 1)[0]
		listener.Close()
		if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
			t.Fatal("somebody answered")
		}
	}
	_ = TestNobodyAnswers
}

func ExamplePair() {
	TestCall := func(t *testing.T) {
		rtp, rtcp := berthtest.Pair(t) // ports 2n and 2n+1
		fmt.Println("a=rtpmap, sent to", rtp.LocalAddr(), "with RTCP at", rtcp.LocalAddr())
	}
	_ = TestCall
}

func serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		conn.Close()
	}
}
