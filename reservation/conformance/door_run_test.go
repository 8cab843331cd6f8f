package conformance_test

import (
	"os"
	"reflect"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

const (
	callsVariable = "BERTH_DOOR_CALLS" // how many calls TestDoorCalls makes
	seedVariable  = "BERTH_DOOR_SEED"  // its first seed
	fewCalls      = 40_000
	trialCalls    = 2_000 // of one computer
)

// An action is a random call, and how often it is made, in thousandths.
type action struct {
	weight int
	do     func(*trial)
}

var actions = []action{
	{150, (*trial).openSocket}, {60, (*trial).closeSocket}, {10, (*trial).duplicate}, {110, (*trial).setOption},
	{80, (*trial).acquire}, {110, (*trial).associate}, {45, (*trial).release}, {20, (*trial).malformed},
	{200, (*trial).bind}, {20, (*trial).connect}, {20, (*trial).send}, {25, (*trial).name},
	{50, (*trial).create}, {35, (*trial).lookup}, {45, (*trial).delete},
	{4, (*trial).exclude}, {4, (*trial).include}, {2, (*trial).setDynamic}, {2, (*trial).exit}, {1, (*trial).restart},
}

// TestDoorCalls makes random calls of iphlpapi and Winsock from eight processes of one simulated
// computer after the other, and compares every answer with the model's.
func TestDoorCalls(t *testing.T) {
	calls, seed := number(t, callsVariable, fewCalls), uint64(number(t, seedVariable, 1))
	seen, made, started := map[win32.Errno]int{}, 0, time.Now()
	for ; made < calls; seed++ {
		made += newTrial(t, seed, nil, seen).run()
	}
	t.Logf("%d calls in %s", made, time.Since(started).Round(time.Millisecond))
	for _, code := range []win32.Errno{
		win32.ERROR_SUCCESS, win32.ERROR_ACCESS_DENIED, win32.ERROR_SHARING_VIOLATION, win32.ERROR_INVALID_PARAMETER,
		win32.ERROR_NOT_FOUND, win32.WSAEACCES, win32.WSAEFAULT, win32.WSAEINVAL, win32.WSAENOTSOCK, win32.WSAEOPNOTSUPP,
		win32.WSAEADDRINUSE, win32.WSAEADDRNOTAVAIL, win32.WSAENOBUFS, win32.WSAENOTCONN, win32.WSAECONNREFUSED,
	} {
		t.Logf("%8d  %s", seen[code], code.Name())
		require.NotZero(t, seen[code], "no call ended in %s: the calls are too tame", code.Name())
	}
}

// run makes the calls of one computer and returns how many there were.
func (tr *trial) run() int {
	for tr.calls < trialCalls {
		tr.step()
	}
	tr.end()
	return tr.calls
}

// A witness sees a difference.
type witness struct{ saw bool }

func (w *witness) Errorf(string, ...any) { w.saw = true }
func (w *witness) FailNow()              { runtime.Goexit() }
func (w *witness) Helper()               {}

// TestDoorCallsNoticeEveryOtherAnswer gives each open question its other answer and requires that the
// calls of TestDoorCalls tell the difference.
func TestDoorCallsNoticeEveryOtherAnswer(t *testing.T) {
	other := reflect.ValueOf(otherAnswers()).Elem()
	for i := range other.NumField() {
		field := other.Type().Field(i).Name
		t.Run(field, func(t *testing.T) {
			policy := reservation.DefaultPolicy()
			reflect.ValueOf(&policy).Elem().Field(i).Set(other.Field(i))
			w := &witness{}
			for seed := uint64(1); !w.saw; seed++ {
				require.LessOrEqual(t, int(seed)*trialCalls, fewCalls, "nobody noticed")
				done := make(chan struct{})
				go func() {
					defer close(done)
					newTrial(w, seed, &policy, map[win32.Errno]int{}).run()
				}()
				<-done
			}
		})
	}
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	require.Positive(t, n, variable)
	return n
}

func (tr *trial) step() {
	sum := 0
	for _, a := range actions {
		sum += a.weight
	}
	n := tr.random.IntN(sum)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			a.do(tr)
			break
		}
	}
	tr.verify()
	if tr.calls%64 == 0 {
		tr.verifySockets()
	}
}
