package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthkit/berth/reservation/system"
)

// calibrateVariable makes the test binary the program that the benchmark runs.
const calibrateVariable = "BERTH_TEST_CALIBRATE"

// costs are the medians, in nanoseconds, of what calls cost a program.
type costs struct {
	BlockBind, OtherBind, Getpid, Send float64
}

// BenchmarkSupervisedCalls measures calls of a program with and without berth exec around it. The
// bars: block-bind-ns is at most 100,000, x-getpid and x-send are 1 within the noise.
func BenchmarkSupervisedCalls(b *testing.B) {
	if refusal := probeSupervision(); refusal != "" {
		b.Skipf("this system does not let berth supervise a program: %s", refusal)
	}
	folder := b.TempDir()
	program, err := os.Executable()
	require.NoError(b, err)
	run := func(args ...string) costs {
		run := exec.CommandContext(b.Context(), program, args...)
		run.Env = append(os.Environ(), "BERTH_TEST_MAIN=1", system.StoreVariable+"="+folder+"/none.db", calibrateVariable+"="+args[len(args)-1])
		var stderr bytes.Buffer
		run.Stderr = &stderr
		output, err := run.Output()
		require.NoError(b, err, stderr.String())
		var c costs
		require.NoError(b, json.Unmarshal(output, &c), string(output))
		return c
	}
	var with, without []costs
	for b.Loop() { // in turns, so that what else the computer does disturbs both alike
		without = append(without, run("calibrate", "0"))
		with = append(with, run("exec", "udp", "1", "--", program, "calibrate", "{udp}"))
	}
	middle := func(all []costs, of func(costs) float64) float64 {
		var values []float64
		for _, c := range all {
			values = append(values, of(c))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	blockBind := func(c costs) float64 { return c.BlockBind }
	otherBind := func(c costs) float64 { return c.OtherBind }
	getpid := func(c costs) float64 { return c.Getpid }
	send := func(c costs) float64 { return c.Send }
	b.ReportMetric(middle(with, blockBind), "block-bind-ns")
	b.ReportMetric(middle(with, otherBind), "other-bind-ns")
	b.ReportMetric(middle(without, otherBind), "plain-bind-ns")
	b.ReportMetric(middle(with, getpid)/middle(without, getpid), "x-getpid")
	b.ReportMetric(middle(with, send)/middle(without, send), "x-send")
	b.ReportMetric(0, "ns/op")
}

// calibrate measures calls, binds to port among them unless that is 0, and prints costs as JSON.
func calibrate(text string) int {
	runtime.LockOSThread()
	port, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	const rounds = 400
	var c costs
	if port != 0 {
		c.BlockBind = medianOf(rounds, func() time.Duration { return timeBind(port) })
	}
	c.OtherBind = medianOf(rounds, func() time.Duration { return timeBind(0) })
	c.Getpid = medianOf(rounds, func() time.Duration {
		start := time.Now()
		for range 100 {
			unix.Getpid()
		}
		return time.Since(start) / 100
	})
	sender, receiver := openUDP(), openUDP()
	must(unix.Bind(receiver, loopback(0)))
	to, err := unix.Getsockname(receiver)
	must(err)
	buffer := make([]byte, 8)
	c.Send = medianOf(rounds, func() time.Duration {
		start := time.Now()
		must(unix.Sendto(sender, buffer, 0, to))
		took := time.Since(start)
		_, _, err := unix.Recvfrom(receiver, buffer, 0)
		must(err)
		return took
	})
	must(json.NewEncoder(os.Stdout).Encode(c))
	return 0
}

func timeBind(port int) time.Duration {
	socket := openUDP()
	defer unix.Close(socket)
	start := time.Now()
	must(unix.Bind(socket, loopback(port)))
	return time.Since(start)
}

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func openUDP() int {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	return socket
}

func medianOf(rounds int, measure func() time.Duration) float64 {
	var durations []time.Duration
	for range rounds {
		durations = append(durations, measure())
	}
	slices.Sort(durations)
	return float64(durations[len(durations)/2].Nanoseconds())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
