package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/win32"
)

// windowsVariable allows the tests of this file, which change the computer, to run.
const windowsVariable = "BERTH_WINDOWS"

// nativeSockets is Windows' own Winsock as the suite needs it.
type nativeSockets struct{}

func (nativeSockets) open(af, typ, protocol int32) (uintptr, error) {
	h, err := windows.WSASocket(af, typ, protocol, nil, 0, windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
	return uintptr(h), nativeError(err)
}

func (nativeSockets) control(handle uintptr, code uint32, input, output []byte) (returned uint32, err error) {
	err = windows.WSAIoctl(windows.Handle(handle), code, unsafe.SliceData(input), uint32(len(input)),
		unsafe.SliceData(output), uint32(len(output)), &returned, nil, 0)
	return returned, nativeError(err)
}

func (nativeSockets) bind(handle uintptr, family reservation.Family, port uint16) error {
	if family == reservation.IPv6 {
		return nativeError(windows.Bind(windows.Handle(handle), &windows.SockaddrInet6{Port: int(port), Addr: [16]byte{15: 1}}))
	}
	return nativeError(windows.Bind(windows.Handle(handle), &windows.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}))
}

func (nativeSockets) port(handle uintptr) (uint16, error) {
	sa, err := windows.Getsockname(windows.Handle(handle))
	switch sa := sa.(type) {
	case *windows.SockaddrInet4:
		return uint16(sa.Port), nil
	case *windows.SockaddrInet6:
		return uint16(sa.Port), nil
	}
	return 0, nativeError(err)
}

func (nativeSockets) share(handle uintptr) error {
	return nativeError(windows.SetsockoptInt(windows.Handle(handle), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1))
}

func (nativeSockets) close(handle uintptr) error {
	return nativeError(windows.Closesocket(windows.Handle(handle)))
}

// exit has nothing to do: the process that serves the door ends, and Windows closes what it had.
func (nativeSockets) exit() error { return nil }

func nativeError(err error) error {
	if code, is := errors.AsType[windows.Errno](err); is {
		return win32.Errno(code)
	}
	return err
}

// ownDoor is the door of this process. Package net has started Winsock.
func ownDoor(*testing.T) door { return newDoor(iphlpapi.SystemDLL{}, nativeSockets{}) }

func requireWindowsWanted(t *testing.T) {
	if os.Getenv(windowsVariable) == "" {
		t.Skipf("reserves ports of this computer, for a moment; set %s=1 if that is wanted, see docs/verify-on-windows.md", windowsVariable)
	}
}

// TestWindows runs the suite on the real Windows, every process of a case being one of its own, and
// prints what Windows did at every open question. Elevated or not is how the test was started: run it
// both ways.
func TestWindows(t *testing.T) {
	requireWindowsWanted(t)
	isElevated := windows.GetCurrentProcessToken().IsElevated()
	except := exceptReal()
	delete(except, "P6") // which is about Windows
	version := windows.RtlGetVersion()
	t.Logf("Windows %d.%d build %d, elevated %t", version.MajorVersion, version.MinorVersion, version.BuildNumber, isElevated)
	var findings []conformance.Finding
	t.Run("suite", func(t *testing.T) {
		conformance.Test(t, func(t testing.TB) *conformance.Host {
			return &conformance.Host{
				Start: func(t testing.TB, elevated bool) *conformance.Process {
					if elevated != isElevated {
						return nil
					}
					return startProcess(t).process()
				},
				Occupy:  occupyReal,
				Ports:   unreservedPorts(t, 64),
				Except:  except,
				Observe: func(f conformance.Finding) { findings = append(findings, f) },
				Is:      isCode,
			}
		})
	})
	var text strings.Builder
	report(&text, findings)
	t.Log("\n" + text.String())
}

// TestWindowsDoorQuestions prints what Windows does about codes, bytes and handles.
func TestWindowsDoorQuestions(t *testing.T) {
	requireWindowsWanted(t)
	lines, different := askDoor(t, ownDoor(t))
	t.Logf("%d answers are not ours\n%s", different, lines)
}

// TestWindowsNetsh prints what netsh says about a persistent reservation: A15 and A16.
func TestWindowsNetsh(t *testing.T) {
	requireWindowsWanted(t)
	if !windows.GetCurrentProcessToken().IsElevated() {
		t.Skip("only an elevated administrator may create a persistent reservation")
	}
	r := unreservedPorts(t, 10)
	api := (&doorProcess{door: ownDoor(t)}).process().API
	_, err := api.CreatePersistent(t.Context(), reservation.UDP, r, "")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = api.DeletePersistent(context.Background(), reservation.UDP, r)
	})
	block := []string{"udp", fmt.Sprint(r.First()), fmt.Sprint(r.Count())}
	for _, command := range [][]string{
		{"show", "excludedportrange", "udp"},
		{"show", "excludedportrange", "udp", "store=persistent"},
		append([]string{"delete", "excludedportrange"}, block...),
		append(append([]string{"add", "excludedportrange"}, block...), "store=active"),
		append(append([]string{"delete", "excludedportrange"}, block...), "store=active"),
	} {
		output, err := exec.Command("netsh", append([]string{"interface", "ipv4"}, command...)...).CombinedOutput()
		t.Logf("udp %s is reserved; netsh interface ipv4 %s (%v):\n%s", r, strings.Join(command, " "), err, output)
	}
	_, err = api.LookupPersistent(t.Context(), reservation.UDP, r)
	t.Logf("afterwards lookup says: %v", err)
}

// unreservedPorts returns ports that Windows would give away now, in both protocols.
func unreservedPorts(t testing.TB, count int) reservation.Range {
	t.Helper()
	api := (&doorProcess{door: newDoor(iphlpapi.SystemDLL{}, nativeSockets{})}).process().API
	isFree := func(r reservation.Range) bool {
		for _, protocol := range pool.Protocols() {
			e, err := api.Open(t.Context(), protocol)
			require.NoError(t, err)
			_, err = e.Acquire(t.Context(), reservation.Request{First: r.First(), Count: r.Count()})
			require.NoError(t, e.Close())
			if err != nil {
				return false
			}
		}
		return true
	}
	for range 100 {
		r, err := pool.RangeFrom(uint16(20000+rand.IntN(20000)), count)
		require.NoError(t, err)
		if isFree(r) {
			return r
		}
	}
	t.Fatalf("found no %d consecutive ports that Windows reserves", count)
	return reservation.Range{}
}
