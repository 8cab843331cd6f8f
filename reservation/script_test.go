package reservation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A computer runs sequences of actions, one a line, each with its outcome:
//
//	create udp 50000-50099 as t        -> ok
//	open a udp by user                 -> ok
//	associate a t                      -> denied
//	bind a 0                           -> 50000
//
// Processes are "admin" (elevated; the default), "user" (not elevated) and any other name (not
// elevated). Outcomes are ok, the words of outcomeOf, or what the action returned. Blank lines and
// lines that start with # are passed over.
type computer struct {
	t         *testing.T
	journal   *reservation.MemoryJournal
	policy    *reservation.Policy
	strangers *strangers
	host      *reservation.Host
	boots     int
	processes map[string]*reservation.Process
	endpoints map[string]reservation.Endpoint
	tokens    map[string]reservation.Token
}

func newComputer(t *testing.T, policy *reservation.Policy) *computer {
	c := &computer{
		t: t, journal: reservation.NewMemoryJournal(), policy: policy, strangers: newStrangers(),
		endpoints: make(map[string]reservation.Endpoint), tokens: make(map[string]reservation.Token),
	}
	c.boot()
	t.Cleanup(func() {
		require.NoError(t, c.host.CheckInvariants())
		require.NoError(t, c.host.Close())
	})
	return c
}

func (c *computer) boot() {
	c.boots++
	c.processes = make(map[string]*reservation.Process)
	var err error
	c.host, err = reservation.New(context.Background(), reservation.Config{
		Journal: c.journal, Ports: c.strangers, BootID: fmt.Sprintf("boot-%d", c.boots), Policy: c.policy,
		Rand: rand.NewChaCha8([32]byte{byte(c.boots)}),
		Now:  func() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) },
	})
	require.NoError(c.t, err)
}

func (c *computer) process(name string) *reservation.Process {
	p := c.processes[name]
	if p == nil {
		p = c.host.Process(reservation.Caller{
			PID: uint32(100 + len(c.processes)), Program: name, Elevated: strings.HasPrefix(name, "admin"),
		})
		c.processes[name] = p
	}
	return p
}

// run performs the actions of script and compares each outcome.
func (c *computer) run(script string) {
	c.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		action, want, checked := strings.Cut(line, "->")
		if !checked {
			want = "ok"
		}
		got, err := c.do(strings.Fields(action))
		if err != nil {
			got = outcomeOf(c.t, err)
		}
		require.Equal(c.t, strings.TrimSpace(want), got, "%s (%v)", line, err)
		require.NoError(c.t, c.host.CheckInvariants(), line)
	}
}

// option takes "name value" out of words.
func option(words *[]string, name string) string {
	i := slices.Index(*words, name)
	if i < 0 {
		return ""
	}
	value := (*words)[i+1]
	*words = slices.Delete(*words, i, i+2)
	return value
}

func (c *computer) do(words []string) (string, error) {
	ctx := context.Background()
	by, as, store := option(&words, "by"), option(&words, "as"), reservation.PersistentStore
	if option(&words, "store") == "active" {
		store = reservation.ActiveStore
	}
	if by == "" {
		by = "admin"
	}
	p, verb, args := c.process(by), words[0], words[1:]
	onRange := func(do func(reservation.Protocol, reservation.Range) error) (string, error) {
		protocol, _ := pool.ParseProtocol(args[0])
		r, _ := pool.ParseRange(args[1])
		return "ok", do(protocol, r)
	}
	switch verb {
	case "create", "lookup":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) (err error) {
			var token reservation.Token
			if verb == "create" {
				token, err = p.CreatePersistent(ctx, protocol, r, "")
			} else {
				token, err = p.LookupPersistent(ctx, protocol, r)
			}
			require.Equal(c.t, err != nil, token == 0, "a token names something exactly on success")
			if as != "" {
				c.tokens[as] = token
			}
			return err
		})
	case "delete":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) error {
			return p.DeletePersistent(ctx, protocol, r)
		})
	case "exclude":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) error {
			return p.AddExclusion(ctx, protocol, r, store)
		})
	case "include":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) error {
			return p.DeleteExclusion(ctx, protocol, r, store)
		})
	case "dynamic":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) error { return p.SetDynamic(ctx, protocol, r) })
	case "occupy", "vacate":
		return onRange(func(protocol reservation.Protocol, r reservation.Range) error {
			c.strangers.set(protocol, r, verb == "occupy")
			return nil
		})
	case "list":
		protocol, _ := pool.ParseProtocol(args[0])
		blocks, err := p.List(ctx, protocol)
		var shown []string
		for _, b := range blocks {
			shown = append(shown, b.Kind.String()+" "+b.Range.String())
		}
		return strings.Join(shown, ", "), err
	case "open":
		protocol, _ := pool.ParseProtocol(args[1])
		e, err := p.Open(ctx, protocol)
		c.endpoints[args[0]] = e
		return "ok", err
	case "exit":
		return "ok", c.process(args[0]).Close()
	case "reboot":
		require.NoError(c.t, c.host.Close())
		c.journal = c.journal.Reopen()
		c.boot()
		return "ok", nil
	case "equal", "differ":
		require.NotZero(c.t, c.tokens[args[0]])
		if (c.tokens[args[0]] == c.tokens[args[1]]) != (verb == "equal") {
			return fmt.Sprintf("%s and %s", c.tokens[args[0]], c.tokens[args[1]]), nil
		}
		return "ok", nil
	}
	return c.onEndpoint(ctx, verb, args, as)
}

func (c *computer) onEndpoint(ctx context.Context, verb string, args []string, as string) (string, error) {
	e := c.endpoints[args[0]]
	if e == nil {
		c.t.Fatalf("no action %q, or no endpoint %q", verb, args[0])
	}
	switch verb {
	case "acquire":
		request := reservation.Request{}
		request.Align, _ = strconv.Atoi(option(&args, "align"))
		if within := option(&args, "within"); within != "" {
			request.Within = pool.MustParseRange(within)
		}
		first, count, _ := strings.Cut(args[1], "+")
		number, _ := strconv.Atoi(first)
		request.First = uint16(number)
		request.Count, _ = strconv.Atoi(count)
		got, err := e.Acquire(ctx, request)
		if as != "" {
			c.tokens[as] = got.Token
		}
		if request.First != 0 {
			return "ok", err
		}
		return got.Range.String(), err
	case "release":
		return "ok", e.Release(ctx, c.tokens[args[1]])
	case "associate":
		return "ok", e.Associate(ctx, c.tokens[args[1]])
	case "bind":
		port, err := strconv.Atoi(args[1])
		require.NoError(c.t, err)
		protocol := reservation.UDP
		if len(args) > 2 {
			protocol = reservation.TCP
		}
		bound, err := e.Bind(ctx, uint16(port), c.strangers.try(protocol))
		return strconv.Itoa(int(bound)), err
	case "close":
		return "ok", e.Close()
	}
	c.t.Fatalf("no action %q", verb)
	return "", nil
}

// outcomeOf names the sentinel of an error, which must carry what it was about.
func outcomeOf(t *testing.T, err error) string {
	var detailed *reservation.Error
	require.ErrorAs(t, err, &detailed, "a naked sentinel")
	require.NotEmpty(t, detailed.Op)
	for _, sentinel := range []struct {
		word string
		err  error
	}{
		{"invalid", reservation.ErrInvalid}, {"denied", reservation.ErrDenied}, {"in use", reservation.ErrInUse},
		{"exhausted", reservation.ErrExhausted}, {"stale", reservation.ErrTokenStale}, {"not found", reservation.ErrNotFound},
		{"out of order", reservation.ErrState}, {"closed", reservation.ErrClosed},
	} {
		if errors.Is(err, sentinel.err) {
			return sentinel.word
		}
	}
	return err.Error()
}

// strangers are the sockets of other programs: a PortTable, and the kernel that refuses to bind
// where one of them is.
type strangers struct {
	mu    sync.Mutex
	bound map[reservation.Protocol]*pool.PortSet
}

var _ reservation.PortTable = (*strangers)(nil)

func newStrangers() *strangers {
	return &strangers{bound: map[reservation.Protocol]*pool.PortSet{reservation.TCP: {}, reservation.UDP: {}}}
}

func (s *strangers) set(protocol reservation.Protocol, r reservation.Range, bound bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bound {
		s.bound[protocol].Add(r)
		return
	}
	s.bound[protocol].Remove(r)
}

func (s *strangers) InUse(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]uint16, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ports []uint16
	for port := range s.bound[protocol].All() {
		if within.Contains(port) {
			ports = append(ports, port)
		}
	}
	return ports, ctx.Err()
}

func (s *strangers) Holders(ctx context.Context, protocol reservation.Protocol, within reservation.Range) ([]reservation.Holder, error) {
	ports, err := s.InUse(ctx, protocol, within)
	var holders []reservation.Holder
	for _, port := range ports {
		holders = append(holders, reservation.Holder{Port: port, PID: 4711, Program: "stranger"})
	}
	return holders, err
}

func (s *strangers) try(protocol reservation.Protocol) reservation.TryBind {
	return func(port uint16) (uint16, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.bound[protocol].Contains(port) {
			return 0, fmt.Errorf("bind: %w", reservation.ErrInUse)
		}
		return port, nil
	}
}
