package store_test

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/store"
)

// A crowd is several writers on one store, each with a share of the blocks, who are killed and replaced.
type crowd struct {
	t       *testing.T
	path    string
	writers [allBlocks / shareBlocks]*member
	commits atomic.Int64

	mu    sync.Mutex
	last  time.Time     // of a commit of anybody
	still time.Duration // the longest time in which nobody committed
}

func (c *crowd) committed() {
	c.commits.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.last.IsZero() {
		c.still = max(c.still, now.Sub(c.last))
	}
	c.last = now
}

// A member is one writer and what it said.
type member struct {
	command *exec.Cmd
	ready   chan struct{}
	ended   chan struct{}

	mu   sync.Mutex
	said ledger
}

func (c *crowd) start(share int) {
	program, err := os.Executable()
	require.NoError(c.t, err)
	m := &member{command: exec.Command(program), ready: make(chan struct{}), ended: make(chan struct{})}
	c.writers[share] = m
	m.command.Env = append(os.Environ(), writerPath+"="+c.path, writerShare+"="+strconv.Itoa(share))
	m.command.Stderr = os.Stderr
	output, err := m.command.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, m.command.Start())
	go func() {
		defer close(m.ended)
		lines := bufio.NewReader(output)
		for {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				_ = m.command.Wait() // it was killed
				return
			}
			switch line = strings.TrimSpace(line); {
			case err != nil || strings.HasPrefix(line, "error"):
				c.t.Errorf("writer %d: %q, %v", share, line, err)
			case line == ready:
				close(m.ready)
			case line != started:
				m.mu.Lock()
				m.said = append(m.said, line)
				m.mu.Unlock()
				if line == "ok" {
					c.committed()
				}
			}
		}
	}()
}

// kill ends a writer and waits until another commits.
func (c *crowd) kill(share int) {
	m := c.writers[share]
	require.NoError(c.t, m.command.Process.Kill())
	<-m.ended // what it still said is read
	c.await(1)
}

// await waits for that many commits of anybody.
func (c *crowd) await(commits int64) {
	enough := c.commits.Load() + commits
	require.Eventually(c.t, func() bool { return c.commits.Load() >= enough }, 10*time.Second, 100*time.Microsecond, "nobody commits")
}

// Of several who write to one store now and then one is killed, wherever it is just then, and another takes its
// place. What was acknowledged is there, nobody else's is touched, and the others go on.
func TestKillAmongOthers(t *testing.T) {
	kills := killsWanted(t, 40)
	random := rand.New(rand.NewPCG(2, uint64(kills)))
	c := &crowd{t: t, path: newStore(t)}
	looker := openStore(t, c.path, &store.Options{ReadOnly: true})
	present := make([]map[int]bool, len(c.writers))
	t.Cleanup(func() {
		for _, m := range c.writers {
			_ = m.command.Process.Kill()
			<-m.ended
		}
	})
	for share := range c.writers {
		present[share] = map[int]bool{}
		c.start(share)
	}
	for _, m := range c.writers {
		<-m.ready
	}
	acknowledged, undecided := 0, 0
	for range kills {
		share := random.IntN(len(c.writers))
		select {
		case <-c.writers[share].ready: // it is in the crowd
		case <-c.writers[share].ended:
		}
		c.await(random.Int64N(8))
		c.kill(share)
		said := c.writers[share].said
		acknowledged += said.replay(t, present[share])
		undecided += said.decide(t, looker, share, present[share])
		c.start(share)
	}
	for share, m := range c.writers {
		_ = m.command.Process.Kill()
		<-m.ended
		acknowledged += m.said.replay(t, present[share])
		undecided += m.said.decide(t, looker, share, present[share])
	}
	require.Empty(t, quarantined(t, c.path), "a kill damages nothing")
	require.NoError(t, openStore(t, c.path, nil).Close())
	report, err := store.Check(t.Context(), c.path)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	t.Logf("%d kills among %d writers, %d edits acknowledged, %d in flight that turned out to be committed; the longest time in which nobody committed was %v",
		kills, len(c.writers), acknowledged, undecided, c.still)
}

// decide compares what is in one share of the blocks with what must be there, as settle does.
func (l ledger) decide(t *testing.T, s *store.Store, share int, present map[int]bool) (committed int) {
	t.Helper()
	image, err := s.Load(t.Context())
	require.NoError(t, err)
	got := map[int]bool{}
	for first := range blocksOf(image) {
		if first/10/shareBlocks == share {
			got[first] = true
		}
	}
	if len(l)%2 == 1 {
		first, err := strconv.Atoi(l[len(l)-1][1:])
		require.NoError(t, err)
		if wanted := l[len(l)-1][0] == '+'; got[first] == wanted {
			committed = 1
		}
		present[first] = got[first]
	}
	requireBlocks(t, present, got)
	return committed
}
