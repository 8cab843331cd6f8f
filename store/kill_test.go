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
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

// writerPath makes the test binary a writer: it opens the store there, creating it if it is
// missing, and commits until it is killed. It announces each edit on its standard output before it
// commits it, and acknowledges it afterwards. The pipe outlives it.
const (
	writerPath      = "BERTH_TEST_WRITER"
	writerShare     = "BERTH_TEST_WRITER_SHARE"     // which share of the blocks is its own; all of them if it is empty
	writerExclusive = "BERTH_TEST_WRITER_EXCLUSIVE" // not empty: it holds the store
	writerFailpoint = "BERTH_TEST_FAILPOINT"        // point=n, with the build tag failpoints

	allBlocks   = 600
	shareBlocks = 100 // of one of several writers

	started = "started"
	ready   = "ready"
)

func TestMain(m *testing.M) {
	for variable, program := range map[string]func(path string) error{writerPath: write, sharerPath: share} {
		if path := os.Getenv(variable); path != "" {
			if err := program(path); err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// write puts and deletes random blocks, in the words of the ledger: "+first" and "-first" of blocks
// of 10 ports announce an edit, "ok" acknowledges it.
func write(path string) error {
	fmt.Println(started)
	if err := setWriterFailpoint(os.Getenv(writerFailpoint)); err != nil {
		return err
	}
	ctx := context.Background()
	options := &store.Options{Exclusive: os.Getenv(writerExclusive) != ""}
	s, err := store.Open(ctx, path, options)
	if errors.Is(err, store.ErrMissing) {
		if err := store.Create(ctx, path, nil); err != nil {
			return err
		}
		s, err = store.Open(ctx, path, options)
	}
	if err != nil {
		return err
	}
	image, err := s.Load(ctx)
	if err != nil {
		return err
	}
	lowest, blocks := 0, allBlocks
	if text := os.Getenv(writerShare); text != "" {
		share, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		lowest, blocks = share*shareBlocks, shareBlocks
	}
	present := blocksOf(image)
	fmt.Println(ready)
	for revision := image.Revision; ; {
		first := 1 + (lowest+rand.IntN(blocks))*10
		edit := reservation.Edit{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, fmt.Sprintf("%d+10", first))}
		sign := "+"
		if present[first] {
			edit.Op, sign = reservation.EditDelete, "-"
		}
		fmt.Printf("%s%d\n", sign, first)
		for {
			base := revision
			if revision, err = s.Commit(ctx, base, []reservation.Edit{edit}); err == nil {
				break
			}
			if errors.Is(err, reservation.ErrStale) { // another writer came first
				revision, err = s.Revision(ctx)
			}
			if err != nil {
				return err
			}
		}
		present[first] = !present[first]
		fmt.Println("ok")
	}
}

func blocksOf(image *reservation.Image) map[int]bool {
	blocks := map[int]bool{}
	for _, record := range image.Records {
		blocks[int(record.Range.First())] = true
	}
	return blocks
}

// Whenever the writing process is killed, what it acknowledged is there, what it never began is
// not, the one edit in between is wholly there or wholly not, and the next process goes on with the
// same files without help.
//
// This proves atomicity and recovery. It proves no durability: the system writes a killed process's
// pages all the same, so a writer that never flushes passes too. That takes power cuts.
func TestKill(t *testing.T) {
	kills := killsWanted(t, 100)
	random := rand.New(rand.NewPCG(1, uint64(kills)))
	acknowledged, undecided := 0, 0
	for done := 0; done < kills; {
		// A new store now and then: creation is killed as well.
		path := filepath.Join(t.TempDir(), "private", "berth.db")
		present := map[int]bool{}
		for range min(50, kills-done) {
			ledger := killWriter(t, path, time.Duration(random.Int64N(int64(25*time.Millisecond))))
			acknowledged += ledger.replay(t, present)
			undecided += ledger.settle(t, path, present)
			done++
		}
	}
	t.Logf("%d kills, %d edits acknowledged, %d in flight that turned out to be committed", kills, acknowledged, undecided)
}

// killsWanted returns how often BERTH_KILLS wants a writer killed.
func killsWanted(t *testing.T, usually int) int {
	t.Helper()
	text := os.Getenv("BERTH_KILLS")
	if text == "" {
		return usually
	}
	kills, err := strconv.Atoi(text)
	require.NoError(t, err, "BERTH_KILLS")
	return kills
}

// A ledger is what a writer said before it was killed.
type ledger []string

// killWriter runs a writer and kills it after that time: half of them count from the start, half
// from when they are ready.
func killWriter(t *testing.T, path string, after time.Duration) ledger {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	writer := exec.Command(program)
	writer.Env = append(os.Environ(), writerPath+"="+path)
	if after%4 < 2 {
		writer.Env = append(writer.Env, writerExclusive+"=1")
	}
	timer := time.AfterFunc(time.Hour, func() { _ = writer.Process.Kill() })
	defer timer.Stop()
	early := after%2 == 0
	return follow(t, writer, func(line string) {
		if line == started && early || line == ready && !early {
			timer.Reset(after)
		}
	}, 0)
}

// follow runs a writer until it dies, or has said most lines, and returns what it said.
func follow(t *testing.T, writer *exec.Cmd, each func(line string), most int) (said ledger) {
	t.Helper()
	output, err := writer.StdoutPipe()
	require.NoError(t, err)
	writer.Stderr = os.Stderr
	require.NoError(t, writer.Start())
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		line = strings.TrimSpace(line)
		require.False(t, strings.HasPrefix(line, "error"), line)
		if each != nil {
			each(line)
		}
		if line == started || line == ready {
			continue
		}
		if said = append(said, line); len(said) == most {
			_ = writer.Process.Kill()
		}
	}
	_ = writer.Wait() // it was killed
	return said
}

// replay applies what was acknowledged, and returns how much that was.
func (l ledger) replay(t *testing.T, present map[int]bool) (acknowledged int) {
	t.Helper()
	for i := 0; i+1 < len(l); i += 2 {
		require.Equal(t, "ok", l[i+1])
		first, err := strconv.Atoi(l[i][1:])
		require.NoError(t, err)
		present[first] = l[i][0] == '+'
		acknowledged++
	}
	return acknowledged
}

// settle opens the store and compares it with what must be there. An edit that was announced and
// not acknowledged may be there or not; present then says what it turned out to be.
func (l ledger) settle(t *testing.T, path string, present map[int]bool) (committed int) {
	t.Helper()
	s, err := store.Open(t.Context(), path, nil)
	if errors.Is(err, store.ErrMissing) {
		require.Empty(t, l, "a writer that was ready has created the store")
		require.Empty(t, present)
		return 0
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	image, err := s.Load(t.Context())
	require.NoError(t, err)
	got := blocksOf(image)
	if len(l)%2 == 1 {
		first, err := strconv.Atoi(l[len(l)-1][1:])
		require.NoError(t, err)
		if wanted := l[len(l)-1][0] == '+'; got[first] == wanted {
			committed = 1
		}
		present[first] = got[first]
	}
	requireBlocks(t, present, got)
	for _, repair := range s.Repairs() {
		require.Empty(t, repair.Quarantine, "a kill damages nothing: %v", repair)
	}
	return committed
}

func requireBlocks(t *testing.T, present, got map[int]bool) {
	t.Helper()
	for first, there := range present {
		require.Equal(t, there, got[first], "block at %d", first)
		delete(got, first)
	}
	for first, there := range got {
		require.False(t, there, "block at %d was never announced", first)
	}
}
