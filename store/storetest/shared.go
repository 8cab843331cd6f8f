package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// Two handles on one content see each other's commits and refuse each other's stale bases.
func testSecondHandle(t *testing.T, m Medium) {
	if !m.Shared {
		t.Skip("this journal is held by one handle at a time")
	}
	a, b := open(t, m), open(t, m)
	old := load(t, b).Revision
	commit(t, a, put(pool.UDP, "100-199"))
	requireSame(t, load(t, a), load(t, b))
	_, err := b.Commit(t.Context(), old, []reservation.Edit{put(pool.UDP, "300-399")})
	require.ErrorIs(t, err, reservation.ErrStale)
	requireSame(t, load(t, a), load(t, b))
	commit(t, b, put(pool.UDP, "200-299"))
	requireSame(t, load(t, b), load(t, a))
	require.NoError(t, a.Close())
	commit(t, b, put(pool.UDP, "300-399"))
	require.Len(t, load(t, b).Records, 3)
}

// Handles that race lose nothing, whether they try again when they were stale or have nothing left to
// commit then and say so.
func testRacingHandles(t *testing.T, m Medium) {
	if !m.Shared {
		t.Skip("this journal is held by one handle at a time")
	}
	const handles, each = 4, 10
	var group sync.WaitGroup
	for h := range handles {
		j := open(t, m)
		group.Go(func() {
			for i := range each {
				err := commitUntil(t.Context(), j, put(pool.UDP, fmt.Sprint(1+h*each+i)))
				if err == nil {
					// All want this one, and one gets it.
					err = commitUntil(t.Context(), j, put(pool.TCP, fmt.Sprint(1+i)))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	require.Len(t, load(t, open(t, m)).Records, handles*each+each)
}

// commitUntil commits a record as the engine does: after a stale base it loads and tries again, and
// commits nothing if the record is there by then.
func commitUntil(ctx context.Context, j reservation.Journal, edit reservation.Edit) error {
	for {
		image, err := j.Load(ctx)
		if err != nil {
			return err
		}
		edits := []reservation.Edit{edit}
		for _, record := range image.Records {
			if record.Protocol == edit.Record.Protocol && record.Range == edit.Record.Range {
				edits = nil
			}
		}
		if _, err = j.Commit(ctx, image.Revision, edits); !errors.Is(err, reservation.ErrStale) {
			return err
		}
	}
}

// A commit of nothing changes nothing, not even the revision, and is stale where any other would be.
func testNoEdits(t *testing.T, m Medium) {
	j := open(t, m)
	old := load(t, j).Revision
	base := commit(t, j, put(pool.UDP, "100-199"))
	before := load(t, j)
	revision, err := j.Commit(t.Context(), base, nil)
	require.NoError(t, err)
	require.Equal(t, base, revision)
	_, err = j.Commit(t.Context(), old, nil)
	require.ErrorIs(t, err, reservation.ErrStale)
	_, err = j.Commit(t.Context(), old, []reservation.Edit{put(pool.UDP, "200-299")})
	require.ErrorIs(t, err, reservation.ErrStale)
	revision, err = j.Commit(t.Context(), base, nil) // what was stale has nothing left to commit
	require.NoError(t, err)
	require.Equal(t, base, revision)
	requireSame(t, before, load(t, j))
}

// A watch yields the present revision, then each newer one soon after whoever commits, and ends with its
// context, its loop or its journal.
func testWatch(t *testing.T, m Medium) {
	writer := open(t, m)
	watched, tells := writer.(reservation.WatchedJournal)
	if !tells {
		t.Skip("this journal does not tell of commits")
	}
	var lookers []reservation.WatchedJournal
	if m.Shared {
		lookers = append(lookers, open(t, m).(reservation.WatchedJournal))
	}
	if m.Look != nil {
		looker := m.Look(t).(reservation.WatchedJournal)
		defer func() { require.NoError(t, looker.Close()) }()
		lookers = append(lookers, looker)
	}
	for _, j := range append(lookers, watched) {
		want, n := load(t, writer).Revision, 0
		for revision, err := range j.Watch(t.Context()) {
			require.NoError(t, err)
			if revision != want {
				continue // the one before, told late
			}
			if n++; n == 4 {
				break
			}
			want = commit(t, writer, boot(fmt.Sprintf("boot %d", n)))
		}
		require.Equal(t, 4, n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range watched.Watch(ctx) {
		cancel() // the next turn does not come
	}
	var last error
	for _, err := range watched.Watch(t.Context()) {
		if last = err; err == nil {
			require.NoError(t, watched.Close())
		}
	}
	if last != nil {
		require.ErrorIs(t, last, reservation.ErrClosed)
	}
}
