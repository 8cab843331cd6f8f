package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
	"github.com/berthkit/berth/store/storetest"
)

// modes are both ways to open a store for writing.
var modes = map[string]*store.Options{"shared": {}, "exclusive": {Exclusive: true}}

// putBlock commits a block. As the engine does, it tries again when it was not at the last revision.
func putBlock(t testing.TB, s *store.Store, ports string) error {
	t.Helper()
	for {
		base, err := s.Revision(t.Context())
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), base, []reservation.Edit{{Op: reservation.EditPut, Record: storetest.Record(pool.UDP, ports)}})
		if !errors.Is(err, reservation.ErrStale) {
			return err
		}
	}
}

func ports(t testing.TB, s *store.Store) (all []string) {
	t.Helper()
	image, err := s.Load(t.Context())
	require.NoError(t, err)
	for _, record := range image.Records {
		all = append(all, record.Range.String())
	}
	return all
}

// quarantined lists the files that were put aside.
func quarantined(t testing.TB, path string) []string {
	t.Helper()
	matches, err := filepath.Glob(path + "*.damaged-*")
	require.NoError(t, err)
	return matches
}

// Open never creates anything, not even a lock file, where no store is.
func TestOpenMissing(t *testing.T) {
	directory := t.TempDir()
	require.NoError(t, os.Chmod(directory, 0o700))
	for _, path := range []string{filepath.Join(directory, "berth.db"), filepath.Join(directory, "no", "such", "berth.db")} {
		for _, readOnly := range []bool{false, true} {
			_, err := store.Open(t.Context(), path, &store.Options{ReadOnly: readOnly})
			require.ErrorIs(t, err, store.ErrMissing)
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		_, err := store.Check(t.Context(), path)
		require.ErrorIs(t, err, store.ErrMissing)
	}
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = store.Open(t.Context(), "", nil)
	require.ErrorIs(t, err, reservation.ErrInvalid)
}

// Create refuses where a store is, and where one was.
func TestCreateExisting(t *testing.T) {
	path := newStore(t)
	require.ErrorIs(t, store.Create(t.Context(), path, nil), store.ErrExist)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, store.Create(t.Context(), path, nil), store.ErrExist, "the second copy is there")
	require.NoError(t, os.Remove(path+".copy"))
	err := store.Create(t.Context(), path, nil)
	require.ErrorIs(t, err, store.ErrExist, "the lock file says that a store was made")
	require.ErrorIs(t, err, os.ErrExist)
	require.NoError(t, os.Remove(path+".lock"))
	require.NoError(t, store.Create(t.Context(), path, nil), "who removes the lock file says that nothing is missing")
}

// A missing, empty or short file where a store was is damage: the second copy repairs it, and
// without one the store does not open. It never starts empty.
func TestFileGone(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"missing":   func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"empty":     func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"one page":  func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 4096)) },
		"two pages": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 8192)) },
		"text":      func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("hello\n"), 0o600)) },
		"zeros":     func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, make([]byte, 32768), 0o600)) },
		"too large": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, store.MaxSize+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			for i, suffix := range []string{"", ".copy"} {
				path := newStore(t)
				s := openStore(t, path, nil)
				require.NoError(t, putBlock(t, s, "100-199"))
				require.NoError(t, s.Close())

				spoil(t, path+suffix)
				s = openStore(t, path, &store.Options{ReadOnly: true})
				require.Equal(t, []string{"100-199"}, ports(t, s), "a reader takes the other file and repairs nothing")
				require.NoError(t, s.Close())
				report, err := store.Check(t.Context(), path)
				require.NoError(t, err)
				require.ErrorIs(t, report.Err(), store.ErrDamaged)
				require.Len(t, report.Problems, 1)
				require.NotEqual(t, store.StateWhole, report.Files[i].State)
				require.Equal(t, 1, report.UDP)

				s = openStore(t, path, nil)
				require.Equal(t, []string{"100-199"}, ports(t, s))
				require.Len(t, s.Repairs(), 1)
				require.Equal(t, path+suffix, s.Repairs()[0].Path)
				if name == "missing" {
					require.Empty(t, s.Repairs()[0].Quarantine)
				} else {
					require.FileExists(t, s.Repairs()[0].Quarantine)
				}
				require.NoError(t, putBlock(t, s, "200-299"))
				require.NoError(t, s.Close())

				spoil(t, path)
				spoil(t, path+".copy")
				for _, readOnly := range []bool{false, true} {
					_, err = store.Open(t.Context(), path, &store.Options{ReadOnly: readOnly})
					require.ErrorIs(t, err, store.ErrDamaged)
					var damage *store.DamageError
					require.ErrorAs(t, err, &damage)
					require.Len(t, damage.Damages, 2)
					require.Equal(t, path, damage.Damages[0].Path)
					require.Equal(t, path+".copy", damage.Damages[1].Path)
					require.Contains(t, err.Error(), "berth store")
				}
				if name == "too large" {
					require.ErrorIs(t, err, store.ErrTooLarge)
				}
			}
		})
	}
}

// One process holds a store exclusively. Another Open that wants it so, of this process or not,
// waits, and then says who does.
func TestBusy(t *testing.T) {
	path := newStore(t)
	s := openStore(t, path, &store.Options{Exclusive: true})
	for _, wait := range []time.Duration{-1, 5 * time.Millisecond} {
		_, err := store.Open(t.Context(), path, &store.Options{Exclusive: true, Wait: wait})
		var busy *store.BusyError
		require.ErrorAs(t, err, &busy)
		require.ErrorIs(t, err, store.ErrBusy)
		require.Equal(t, path, busy.Path)
		require.Equal(t, os.Getpid(), busy.PID)
		require.Equal(t, filepath.Base(os.Args[0]), busy.Program)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error)
	go func() {
		_, err := store.Open(ctx, path, &store.Options{Exclusive: true, Wait: time.Hour})
		opened <- err
	}()
	cancel()
	require.ErrorIs(t, <-opened, context.Canceled)

	go func() {
		next, err := store.Open(context.Background(), path, &store.Options{Exclusive: true, Wait: time.Hour})
		if err == nil {
			err = next.Close()
		}
		opened <- err
	}()
	require.NoError(t, s.Close())
	require.NoError(t, <-opened, "who waits gets the store when it is given back")
}

// What happens to the files under an open store is noticed before the next acknowledgement. A store
// that is held exclusively writes new files from memory and goes on; what was refused is absent.
func TestAccidentsWhileOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody move or cut a file that is mapped")
	}
	for name, accident := range map[string]func(t *testing.T, path string){
		"unlinked":  func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"truncated": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 4096)) },
		"emptied":   func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 0)) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".other", []byte("somebody else's"), 0o600))
			require.NoError(t, os.Rename(path+".other", path))
		},
		"hard link": func(t *testing.T, path string) { require.NoError(t, os.Link(path, path+".link")) },
		"overwritten": func(t *testing.T, path string) {
			image, err := os.ReadFile(path)
			require.NoError(t, err)
			clear(image[8192:])
			require.NoError(t, os.WriteFile(path, image, 0o600))
			require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
		},
	} {
		for _, suffix := range []string{"", ".copy"} {
			for mode, options := range modes {
				t.Run(name+suffix+"/"+mode, func(t *testing.T) {
					path := newStore(t)
					s := openStore(t, path, options)
					require.NoError(t, putBlock(t, s, "100-199"))
					accident(t, path+suffix)
					before := []string{"100-199"}
					switch err := putBlock(t, s, "200-299"); {
					case options.Exclusive, name == "overwritten": // only its data pages: bbolt finds out
						require.Error(t, err)
					case name == "hard link":
						require.ErrorIs(t, err, store.ErrUnsafePath, "as at Open: the other name may be in use")
						require.NoError(t, os.Remove(path+suffix+".link"))
					default:
						require.NoError(t, err, "what is on disk counts, and the second copy repairs it")
						before = append(before, "200-299")
					}
					require.Equal(t, before, ports(t, s))
					require.NoError(t, putBlock(t, s, "300-399"), "the store goes on with new files")
					require.NoError(t, s.Close())
					report, err := store.Check(t.Context(), path)
					require.NoError(t, err)
					require.NoError(t, report.Err())
					require.Equal(t, append(before, "300-399"), ports(t, openStore(t, path, nil)))
					if name == "replaced" {
						require.Len(t, quarantined(t, path), 1, "what was there is kept")
					}
				})
			}
		}
	}
}

// A file that is cut while bbolt reads it faults inside a commit: the process lives, and so does the store.
func TestTruncatedBehindTheCheck(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody cut a file that is mapped")
	}
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			path := newStore(t)
			s := openStore(t, path, options)
			require.NoError(t, putBlock(t, s, "100-199"))
			info, err := os.Stat(path)
			require.NoError(t, err)
			// Cut and grown again: size and time as before, the pages gone.
			require.NoError(t, os.Truncate(path, 0))
			require.NoError(t, os.Truncate(path, info.Size()))
			require.NoError(t, os.Chtimes(path, time.Time{}, info.ModTime()))
			_ = putBlock(t, s, "200-299")
			for range 2 {
				require.Contains(t, ports(t, s), "100-199")
				_ = putBlock(t, s, "300-399")
			}
			before := ports(t, s)
			require.NoError(t, s.Close())
			require.Equal(t, before, ports(t, openStore(t, path, nil)))
		})
	}
}

// The directory is moved away: nothing can be acknowledged any more, and nothing is lost.
func TestDirectoryMoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody move a directory with open files")
	}
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			path := newStore(t)
			s := openStore(t, path, options)
			require.NoError(t, putBlock(t, s, "100-199"))
			moved := filepath.Dir(path) + ".moved"
			require.NoError(t, os.Rename(filepath.Dir(path), moved))
			require.ErrorIs(t, putBlock(t, s, "200-299"), store.ErrFailed)
			require.Equal(t, []string{"100-199"}, ports(t, s))
			require.NoError(t, os.Rename(moved, filepath.Dir(path)))
			require.NoError(t, putBlock(t, s, "300-399"))
			require.NoError(t, s.Close())
			require.Equal(t, []string{"100-199", "300-399"}, ports(t, openStore(t, path, nil)))
		})
	}
}

// An older file that somebody put in the place of the store's does not win over the second copy.
func TestOlderFilePutBack(t *testing.T) {
	path := newStore(t)
	s := openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "100-199"))
	require.NoError(t, s.Close())
	older, err := os.ReadFile(path)
	require.NoError(t, err)
	s = openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "200-299"))
	require.NoError(t, putBlock(t, s, "300-399"))
	require.NoError(t, putBlock(t, s, "400-499"))
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(path, older, 0o600))
	s = openStore(t, path, nil)
	require.Len(t, ports(t, s), 4)
	require.Len(t, s.Repairs(), 1)
	require.FileExists(t, s.Repairs()[0].Quarantine)
}

// Errors start with their condition, so that a log can be searched for it.
func TestErrorTexts(t *testing.T) {
	path := newStore(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.WriteFile(path+".copy", nil, 0o600))
	_, err := store.Open(t.Context(), path, nil)
	require.Regexp(t, `^open store: damaged: .*berth\.db: 0 bytes are too short for a store; .*berth\.db\.copy: 0 bytes`, err)
	var damage *store.DamageError
	require.True(t, errors.As(err, &damage))
	require.True(t, strings.HasPrefix(damage.Error(), "damaged: "+path))
}
