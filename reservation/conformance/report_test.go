package conformance_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/conformance"
	"github.com/berthkit/berth/reservation/win32"
)

// report writes what a computer did at every open question beside our default.
func report(w io.Writer, findings []conformance.Finding) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tPOLICY\tPROTOCOL\tWHAT WAS DONE\tBERTH\tTHIS COMPUTER\t")
	for _, field := range conformance.PolicyFields() {
		asked := false
		for _, f := range findings {
			if f.Field != field {
				continue
			}
			asked = true
			verdict := "same"
			if !f.Agrees {
				verdict = "DIFFERS"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Rule, f.Field, f.Protocol, f.Question,
				shown(f.Default, isWinsock(f)), shown(f.Got, isWinsock(f)), verdict)
		}
		if !asked {
			fmt.Fprintf(table, "\t%s\t\tnot asked in this run\t\t\t\n", field)
		}
	}
	table.Flush() // the writer below is a buffer or a test's log
}

func isWinsock(f conformance.Finding) bool {
	return !slices.Contains([]string{"ArgumentsFirst", "DeleteBound", "DeleteReservationAsExclusion"}, f.Field)
}

// shown writes the code of a condition, or the code that an error is, as "10013 WSAEACCES".
func shown(err error, winsock bool) string {
	code, isCode := errors.AsType[win32.Errno](err)
	switch {
	case err == nil:
		return "success"
	case isCode:
	case winsock:
		code = win32.WinsockErrno(err)
	default:
		code = win32.IphlpapiErrno(err)
	}
	return fmt.Sprintf("%d %s", uint32(code), code.Name())
}

// TestReport asks a simulated computer with every answer the other way round, as TestWindows asks
// Windows.
func TestReport(t *testing.T) {
	var findings []conformance.Finding
	t.Run("suite", func(t *testing.T) {
		conformance.Test(t, func(t testing.TB) *conformance.Host {
			host := machineHost(t, otherAnswers())
			host.Policy = nil // ours, with which the computer does not agree
			host.Observe = func(f conformance.Finding) { findings = append(findings, f) }
			return host
		})
	})
	var text strings.Builder
	report(&text, findings)
	t.Log("\n" + text.String())
	require.NotContains(t, text.String(), "not asked")
	for _, f := range findings {
		require.False(t, f.Agrees, "%s: %s", f.Field, f.Question)
	}
	text.Reset()
	report(&text, nil)
	require.Equal(t, len(conformance.PolicyFields()), strings.Count(text.String(), "not asked"))
}

// A doorQuestion is about codes, bytes and handles, which the engine knows nothing of.
type doorQuestion struct {
	rule     string // in docs/semantics.md or docs/deviations.md; may be empty
	question string
	ours     string
	ask      func(d door, socket uintptr) reply
	answer   func(r reply) string
}

func acquireCall(socket uintptr, code uint32, input, output int) call {
	ports, _ := win32.INET_PORT_RANGE{NumberOfPorts: 1}.MarshalBinary()
	return call{Function: "WSAIoctl", Handle: socket, Code: code, Input: ports[:input], Output: output}
}

func tokenCall(d door, socket uintptr, code uint32, output int) reply {
	held := d(acquireCall(socket, win32.SIO_ACQUIRE_PORT_RESERVATION, 4, 16))
	if held.Errno != 0 {
		return held
	}
	return d(call{Function: "WSAIoctl", Handle: socket, Code: code, Input: held.Output[8:16], Output: output})
}

func codeOf(r reply) string { return shown(errnoOf(r.Errno), true) }

func bytesOf(r reply) string { return fmt.Sprintf("%s, %d bytes", codeOf(r), r.Returned) }

var doorQuestions = []doorQuestion{
	{"A1", "bytes returned by associate", "success, 0 bytes", func(d door, socket uintptr) reply {
		return tokenCall(d, socket, win32.SIO_ASSOCIATE_PORT_RESERVATION, -1)
	}, bytesOf},
	{"A1", "bytes returned by release", "success, 0 bytes", func(d door, socket uintptr) reply {
		return tokenCall(d, socket, win32.SIO_RELEASE_PORT_RESERVATION, -1)
	}, bytesOf},
	{"", "bytes returned by acquire, with room for 20", "success, 16 bytes", func(d door, socket uintptr) reply {
		return d(acquireCall(socket, win32.SIO_ACQUIRE_PORT_RESERVATION, 4, 20))
	}, bytesOf},
	{"A31", "acquire through socket(AF_INET, 0, 0)", "success", func(d door, _ uintptr) reply {
		opened := d(call{Function: "WSASocket", Family: reservation.IPv4})
		if opened.Errno != 0 {
			return opened
		}
		defer d(call{Function: "closesocket", Handle: opened.Handle})
		return d(acquireCall(opened.Handle, win32.SIO_ACQUIRE_PORT_RESERVATION, 4, 16))
	}, codeOf},
	{"", "acquire with the code 0xD8000064", "10045 WSAEOPNOTSUPP", func(d door, socket uintptr) reply {
		return d(acquireCall(socket, 0xD8000064, 4, 16))
	}, codeOf},
	{"", "acquire with 3 bytes of input", "10022 WSAEINVAL, 0 bytes", func(d door, socket uintptr) reply {
		return d(acquireCall(socket, win32.SIO_ACQUIRE_PORT_RESERVATION, 3, 16))
	}, bytesOf},
	{"", "acquire with room for 15 bytes", "10022 WSAEINVAL, 0 bytes", func(d door, socket uintptr) reply {
		return d(acquireCall(socket, win32.SIO_ACQUIRE_PORT_RESERVATION, 4, 15))
	}, bytesOf},
	{"", "acquire without an output buffer", "10014 WSAEFAULT", func(d door, socket uintptr) reply {
		return d(acquireCall(socket, win32.SIO_ACQUIRE_PORT_RESERVATION, 4, -1))
	}, codeOf},
	{"", "associate with an output buffer", "10022 WSAEINVAL", func(d door, socket uintptr) reply {
		return tokenCall(d, socket, win32.SIO_ASSOCIATE_PORT_RESERVATION, 8)
	}, codeOf},
}

// askDoor returns a line for every question, and how many differ.
func askDoor(t *testing.T, d door) (lines string, different int) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, q := range doorQuestions {
		opened := d(call{Function: "WSASocket", Family: reservation.IPv4, Protocol: reservation.UDP})
		require.Zero(t, opened.Errno)
		got, verdict := q.answer(q.ask(d, opened.Handle)), "same"
		require.Zero(t, d(call{Function: "closesocket", Handle: opened.Handle}).Errno)
		if got != q.ours {
			verdict = "DIFFERS"
			different++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", q.rule, q.question, q.ours, got, verdict)
	}
	table.Flush()
	return text.String(), different
}

func TestDoorQuestions(t *testing.T) {
	lines, different := askDoor(t, simulatedDoor(t))
	t.Log("\n" + lines)
	require.Zero(t, different)
}
