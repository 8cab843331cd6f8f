package reservation_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// contended is a journal in which another host commits before each of the first commits of this one.
type contended struct {
	*reservation.MemoryJournal
	before []func() // called before the first, second, … commit
	edits  []int    // of each commit
	stale  int      // commits that were refused as stale
}

func (j *contended) Commit(ctx context.Context, base reservation.Revision, edits []reservation.Edit) (reservation.Revision, error) {
	if len(j.before) > 0 {
		before := j.before[0]
		j.before = j.before[1:]
		before()
	}
	j.edits = append(j.edits, len(edits))
	revision, err := j.MemoryJournal.Commit(ctx, base, edits)
	if errors.Is(err, reservation.ErrStale) {
		j.stale++
	}
	return revision, err
}

// Who was overtaken loads, decides again and commits again, as often as it takes.
func TestStaleCommitsAreMadeAgain(t *testing.T) {
	shared := reservation.NewMemoryJournal()
	journal := &contended{MemoryJournal: shared.Reopen()}
	_, p := newHost(t, journal)
	_, other := newHost(t, shared)
	create := func(i int) func() {
		return func() {
			_, err := other.CreatePersistent(t.Context(), reservation.UDP, block(i), "")
			require.NoError(t, err)
		}
	}
	journal.before = []func(){create(0), create(1), create(2)}
	token, err := p.CreatePersistent(t.Context(), reservation.UDP, block(3), "")
	require.NoError(t, err)
	require.Equal(t, 3, journal.stale)
	found, err := other.LookupPersistent(t.Context(), reservation.UDP, block(3))
	require.NoError(t, err)
	require.Equal(t, token, found, "tokens are those of the boot, not of the host")
}

// Who was overtaken by a commit that leaves it nothing to do says so, with a commit of nothing: the
// journal may be keeping the turn for it.
func TestStaleCommitWithNothingLeftGivesItsTurnBack(t *testing.T) {
	shared := reservation.NewMemoryJournal()
	journal := &contended{MemoryJournal: shared.Reopen()}
	_, p := newHost(t, journal)
	_, other := newHost(t, shared)
	journal.edits = nil
	journal.before = []func(){func() {
		_, err := other.CreatePersistent(t.Context(), reservation.UDP, block(0), "faster")
		require.NoError(t, err)
	}}
	_, err := p.CreatePersistent(t.Context(), reservation.UDP, block(0), "")
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.ErrorContains(t, err, "faster")
	require.Equal(t, []int{1, 0}, journal.edits)

	// A refusal that nobody's commit came before costs the journal nothing.
	_, err = p.CreatePersistent(t.Context(), reservation.UDP, block(0), "")
	require.ErrorIs(t, err, reservation.ErrInUse)
	require.Len(t, journal.edits, 2)
}

// Eight hosts create and delete in the same ports, as fast as they can: what each was told to have
// happened adds up to what is there in the end, and nobody waits for ever.
func TestEightHostsShareAJournal(t *testing.T) {
	const hosts, rounds, blocks = 8, 500, 16
	ctx, shared := t.Context(), reservation.NewMemoryJournal()
	processes := share(t, shared, hosts)
	tokens := make([][]reservation.Token, hosts) // that each was given
	balance := make([][blocks]int, hosts)        // creates less deletes, of each host and block
	waits := make([][]time.Duration, hosts)
	var group sync.WaitGroup
	for n, p := range processes {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for range rounds {
				i, start := random.IntN(blocks), time.Now()
				token, err := p.CreatePersistent(ctx, reservation.UDP, block(i), "")
				switch {
				case err == nil:
					balance[n][i]++
					tokens[n] = append(tokens[n], token)
				case errors.Is(err, reservation.ErrInUse):
					if err = p.DeletePersistent(ctx, reservation.UDP, block(i)); err == nil {
						balance[n][i]--
					} else if !errors.Is(err, reservation.ErrNotFound) {
						t.Error(err)
					}
				default:
					t.Error(err)
				}
				waits[n] = append(waits[n], time.Since(start))
			}
		})
	}
	group.Wait()
	for i := range blocks {
		left := 0
		for n := range hosts {
			left += balance[n][i]
		}
		require.Contains(t, []int{0, 1}, left, "block %d: nothing is lost and nothing doubled", i)
		var found []reservation.Token
		for _, p := range processes {
			token, err := p.LookupPersistent(ctx, reservation.UDP, block(i))
			if left == 0 {
				require.ErrorIs(t, err, reservation.ErrNotFound)
				continue
			}
			require.NoError(t, err)
			found = append(found, token)
		}
		require.Len(t, slices.Compact(found), left, "every host has the same token")
	}
	all := slices.Concat(tokens...)
	slices.Sort(all)
	require.Len(t, slices.Compact(slices.Clone(all)), len(all), "no token is given out twice")
	report(t, slices.Concat(waits...))
}

func report(t *testing.T, waits []time.Duration) {
	slices.Sort(waits)
	sum := time.Duration(0)
	for _, wait := range waits {
		sum += wait
	}
	t.Logf("%d calls: mean %v, 99 of 100 within %v, worst %v", len(waits),
		sum/time.Duration(len(waits)), waits[len(waits)*99/100], waits[len(waits)-1])
}
