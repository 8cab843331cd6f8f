package store_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

func TestJournal(t *testing.T) {
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			storetest.Test(t, func(t testing.TB) storetest.Medium {
				path := newStore(t)
				return storetest.Medium{
					Open:   func(t testing.TB) reservation.Journal { return openStore(t, path, options) },
					Look:   func(t testing.TB) reservation.Journal { return openStore(t, path, &store.Options{ReadOnly: true}) },
					Shared: !options.Exclusive,
				}
			})
		})
	}
}

func TestMemoryJournal(t *testing.T) {
	storetest.Test(t, func(t testing.TB) storetest.Medium {
		journal := reservation.NewMemoryJournal()
		return storetest.Medium{
			Open:   func(testing.TB) reservation.Journal { return journal.Reopen() },
			Shared: true,
		}
	})
}

// newStore creates an empty store in a directory of its own.
func newStore(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "private", "berth.db")
	require.NoError(t, store.Create(t.Context(), path, nil))
	return path
}

// openStore opens a store; the caller closes it, or the end of the test does.
func openStore(t testing.TB, path string, options *store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
