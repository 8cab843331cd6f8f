package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

// sharerPath makes the test binary one of the programs that share the store there: it makes a number
// of calls through the engine, and says on its standard output how each ended and when.
const (
	sharerPath  = "BERTH_TEST_SHARER"
	sharerCalls = "BERTH_TEST_SHARER_CALLS"
	sharerSeed  = "BERTH_TEST_SHARER_SEED"
)

const sharedBoot = "the boot of all who share"

// The ports that the sharers fight for: regions of a few ports each, so that most blocks overlap others,
// and the history of each region can be judged alone.
const (
	regions     = 8
	regionPorts = 8
	regionFirst = 50_000
)

// A call is one call of the engine by one process.
type call struct {
	kind       string // create, delete or lookup
	first      int
	count      int
	start, end int64  // nanoseconds, by the one clock of the computer
	token      uint64 // of a create or lookup that succeeded
	result     string // ok, taken or missing
}

const callFormat = "%s %d %d %d %d %d %s\n"

func (c call) region() int { return (c.first - regionFirst) / regionPorts }

func share(path string) error {
	calls, err := strconv.Atoi(os.Getenv(sharerCalls))
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(os.Getenv(sharerSeed), 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := store.Open(ctx, path, &store.Options{Wait: time.Minute})
	if err != nil {
		return err
	}
	host, err := reservation.New(ctx, reservation.Config{Journal: s, BootID: sharedBoot})
	if err != nil {
		return err
	}
	process := host.Process(reservation.Caller{Elevated: true})
	random := rand.New(rand.NewPCG(seed, seed))
	fmt.Println(ready)
	if _, err := fmt.Scanln(); err != nil { // all begin at once
		return err
	}
	var history []call
	var own []call // created by this process; another may have deleted it since
	for i := range 2 * calls {
		c := drawCall(random, i, own)
		r, err := pool.RangeFrom(uint16(c.first), c.count)
		if err != nil {
			return err
		}
		var token reservation.Token
		c.start = time.Now().UnixNano()
		switch c.kind {
		case "create":
			token, err = process.CreatePersistent(ctx, pool.UDP, r, "")
		case "delete":
			err = process.DeletePersistent(ctx, pool.UDP, r)
		case "lookup":
			token, err = process.LookupPersistent(ctx, pool.UDP, r)
		}
		c.end, c.token = time.Now().UnixNano(), uint64(token)
		switch {
		case err == nil:
			c.result = "ok"
		case errors.Is(err, reservation.ErrInUse):
			c.result = "taken"
		case errors.Is(err, reservation.ErrNotFound):
			c.result = "missing"
		default:
			return err
		}
		history = append(history, c)
		if own = slices.DeleteFunc(own, c.sameBlock); c.kind == "create" && c.result == "ok" {
			own = append(own, c)
		}
	}
	output := bufio.NewWriter(os.Stdout)
	for _, c := range history {
		fmt.Fprintf(output, callFormat, c.kind, c.first, c.count, c.start, c.end, c.token, c.result)
	}
	return errors.Join(output.Flush(), host.Close())
}

func (c call) sameBlock(other call) bool { return c.first == other.first && c.count == other.count }

// drawCall draws creates and deletes by turns, and a lookup now and then instead. Most deletes are of
// blocks that this process created.
func drawCall(random *rand.Rand, i int, own []call) call {
	offset := random.IntN(regionPorts)
	c := call{kind: "create", first: regionFirst + random.IntN(regions)*regionPorts + offset, count: 1 + random.IntN(min(3, regionPorts-offset))}
	switch {
	case random.IntN(10) == 0:
		c.kind = "lookup"
	case i%2 == 1:
		c.kind = "delete"
		if len(own) > 0 && random.IntN(4) > 0 {
			drawn := own[random.IntN(len(own))]
			c.first, c.count = drawn.first, drawn.count
		}
	}
	return c
}

// A regionState is what one region holds: the block that starts at each port.
type regionState [regionPorts]struct {
	count int
	token uint64
}

func (s regionState) overlaps(first, count int) bool {
	for i, b := range s {
		if b.count > 0 && i < first+count && first < i+b.count {
			return true
		}
	}
	return false
}

// sharedModel is what one computer's reservations are to those who call one at a time.
var sharedModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, regions)
		for _, operation := range history {
			region := operation.Input.(call).region()
			parts[region] = append(parts[region], operation)
		}
		return parts
	},
	Init: func() any { return regionState{} },
	Step: func(state, input, _ any) (bool, any) {
		s, c := state.(regionState), input.(call)
		at := (c.first - regionFirst) % regionPorts
		there := s[at].count == c.count
		switch c.kind {
		case "create":
			if s.overlaps(at, c.count) {
				return c.result == "taken", s
			}
			s[at].count, s[at].token = c.count, c.token
			return c.result == "ok", s
		case "delete":
			if !there {
				return c.result == "missing", s
			}
			s[at].count, s[at].token = 0, 0
			return c.result == "ok", s
		}
		if !there {
			return c.result == "missing", s
		}
		return c.result == "ok" && c.token == s[at].token, s
	},
	DescribeOperation: func(input, _ any) string {
		c := input.(call)
		return fmt.Sprintf("%s %d+%d: %s", c.kind, c.first, c.count, c.result)
	},
}

// Eight programs create, delete and look up overlapping blocks on one store at once, each through an engine
// of its own. All that they saw fits into one order of calls, each between its start and its end: no
// reservation was lost, none was made twice, and every program computed the same tokens.
func TestSharing(t *testing.T) {
	const processes = 8
	calls := 100
	if text := os.Getenv("BERTH_SHARED_CALLS"); text != "" {
		var err error
		calls, err = strconv.Atoi(text)
		require.NoError(t, err, "BERTH_SHARED_CALLS")
	}
	path := newStore(t)
	history := runSharers(t, path, processes, calls)

	// What is there at the end is part of what was seen.
	s := openStore(t, path, nil)
	host, err := reservation.New(t.Context(), reservation.Config{Journal: s, BootID: sharedBoot})
	require.NoError(t, err)
	process := host.Process(reservation.Caller{})
	for first := regionFirst; first < regionFirst+regions*regionPorts; first++ {
		for count := 1; count <= 3 && first%regionPorts+count <= regionPorts; count++ {
			c := call{kind: "lookup", first: first, count: count, start: time.Now().UnixNano(), result: "ok"}
			r, err := pool.RangeFrom(uint16(first), count)
			require.NoError(t, err)
			token, err := process.LookupPersistent(t.Context(), pool.UDP, r)
			if err != nil {
				require.ErrorIs(t, err, reservation.ErrNotFound)
				c.result = "missing"
			}
			c.token, c.end = uint64(token), time.Now().UnixNano()
			history = append(history, porcupine.Operation{ClientId: processes, Input: c, Call: c.start, Return: c.end})
		}
	}
	result, info := porcupine.CheckOperationsVerbose(sharedModel, history, time.Minute)
	if result != porcupine.Ok {
		picture := t.ArtifactDir() + "/history.html"
		require.NoError(t, porcupine.VisualizePath(sharedModel, info, picture))
		t.Fatalf("the history is not linearizable (%s): see %s", result, picture)
	}
	logWaits(t, history)
}

// runSharers runs that many programs at once and returns what they saw.
func runSharers(t testing.TB, path string, processes, calls int) (history []porcupine.Operation) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	var mu sync.Mutex
	var started, done sync.WaitGroup
	begin := make(chan struct{})
	for id := range processes {
		sharer := exec.CommandContext(t.Context(), program)
		sharer.Env = append(os.Environ(), sharerPath+"="+path, sharerCalls+"="+strconv.Itoa(calls), sharerSeed+"="+strconv.Itoa(id+1))
		sharer.Stderr = os.Stderr
		input, err := sharer.StdinPipe()
		require.NoError(t, err)
		output, err := sharer.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, sharer.Start())
		started.Add(1)
		done.Go(func() {
			lines := bufio.NewReader(output)
			line, err := lines.ReadString('\n')
			started.Done()
			if err != nil || line != ready+"\n" {
				t.Errorf("sharer %d: %q, %v", id, line, err)
				return
			}
			<-begin
			fmt.Fprintln(input)
			seen, err := readCalls(lines, id)
			if err = errors.Join(err, sharer.Wait()); err != nil {
				t.Errorf("sharer %d: %v", id, err)
			}
			mu.Lock()
			defer mu.Unlock()
			history = append(history, seen...)
		})
	}
	started.Wait()
	close(begin)
	done.Wait()
	require.Len(t, history, 2*processes*calls)
	return history
}

func readCalls(lines *bufio.Reader, id int) (seen []porcupine.Operation, err error) {
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return seen, nil
		}
		if err != nil {
			return nil, err
		}
		var c call
		if _, err := fmt.Sscanf(line, callFormat, &c.kind, &c.first, &c.count, &c.start, &c.end, &c.token, &c.result); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		seen = append(seen, porcupine.Operation{ClientId: id, Input: c, Call: c.start, Return: c.end})
	}
}

// logWaits reports how long each call took that changed the store, and how many changes came before it: a
// disk that stands still for a moment makes everybody wait, an unfair lock makes one wait for many.
func logWaits(t testing.TB, history []porcupine.Operation) (worstToMean float64) {
	var durations []time.Duration
	var ends []int64
	for _, operation := range history {
		if c := operation.Input.(call); c.kind != "lookup" && c.result == "ok" {
			durations = append(durations, time.Duration(c.end-c.start))
			ends = append(ends, c.end)
		}
	}
	slices.Sort(ends)
	overtaken, most := 0, 0
	for _, operation := range history {
		if c := operation.Input.(call); c.kind != "lookup" && c.result == "ok" {
			from, _ := slices.BinarySearch(ends, c.start)
			to, _ := slices.BinarySearch(ends, c.end)
			overtaken, most = overtaken+to-from, max(most, to-from)
		}
	}
	slices.Sort(durations)
	var sum time.Duration
	for _, d := range durations {
		sum += d
	}
	commits := len(durations)
	worst, mean := durations[commits-1], sum/time.Duration(commits)
	t.Logf("%d calls, %d of them commits: mean wait %v, median %v, 99 of 100 %v, worst %v, %.1f times the mean",
		len(history), commits, mean, durations[commits/2], durations[commits*99/100], worst, float64(worst)/float64(mean))
	still := int64(0)
	for i := range ends[1:] {
		still = max(still, ends[i+1]-ends[i])
	}
	t.Logf("while one waited %.1f others committed on average, at most %d; the longest time in which nobody did was %v",
		float64(overtaken)/float64(commits), most, time.Duration(still))
	return float64(worst) / float64(mean)
}
