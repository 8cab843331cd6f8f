//go:build unix

package store_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/store"
)

// A path through which others could lead the store elsewhere, or change it, is refused and not touched.
func TestUnsafePaths(t *testing.T) {
	cases := map[string]func(t *testing.T, path string){
		"symbolic link": func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".real"))
			require.NoError(t, os.Symlink(path+".real", path))
		},
		"dangling link": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Symlink(path+".nowhere", path))
		},
		"FIFO": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, syscall.Mkfifo(path, 0o600))
		},
		"directory": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
		"hard link":          func(t *testing.T, path string) { require.NoError(t, os.Link(path, path+".link")) },
		"written by group":   func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o660)) },
		"written by all":     func(t *testing.T, path string) { require.NoError(t, os.Chmod(path, 0o606)) },
		"directory of group": func(t *testing.T, path string) { require.NoError(t, os.Chmod(filepath.Dir(path), 0o770)) },
		"directory of all": func(t *testing.T, path string) {
			require.NoError(t, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
		},
		"other owner": func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			require.NoError(t, os.Chown(path, 12345, -1))
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			for _, suffix := range []string{"", ".copy", ".lock", ".queue"} {
				path := newStore(t)
				spoil(t, path+suffix)
				_, err := store.Open(t.Context(), path, nil)
				require.ErrorIs(t, err, store.ErrUnsafePath, suffix)
				require.NoFileExists(t, path+suffix+".nowhere")
			}
		})
	}
}

// The directory is for its owner alone and so are the files, whatever the umask.
func TestModes(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		old := syscall.Umask(mask)
		path := filepath.Join(t.TempDir(), "made", "berth.db")
		syscall.Umask(0)
		require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(path)), 0o700)) // the test's own directory
		syscall.Umask(mask)
		err := store.Create(t.Context(), path, nil)
		var s *store.Store
		if err == nil {
			s, err = store.Open(t.Context(), path, nil)
		}
		syscall.Umask(old)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		for name, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600, path + ".copy": 0o600, path + ".lock": 0o600, path + ".queue": 0o600} {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, want, info.Mode().Perm(), name)
		}
	}
}

// A directory in which nothing can be written: opening says so, looking works.
func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes to any directory")
	}
	path := newStore(t)
	s := openStore(t, path, nil)
	require.NoError(t, putBlock(t, s, "100-199"))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o500))
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o700) })
	require.NoError(t, putBlock(t, s, "200-299"), "a commit needs no new names")
	require.NoError(t, s.Close())
	looker := openStore(t, path, &store.Options{ReadOnly: true})
	require.Len(t, ports(t, looker), 2)
	require.ErrorIs(t, store.Create(t.Context(), filepath.Join(filepath.Dir(path), "other.db"), nil), os.ErrPermission)
}

// No space: the commit fails cleanly, reads go on, and when there is space again so do commits.
func TestNoSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	directory := t.TempDir()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", directory).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small file system here: %v: %s", err, output)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", "-l", directory).Run()) })
	for mode, options := range modes {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(directory, mode+".db")
			require.NoError(t, store.Create(t.Context(), path, nil))
			s := openStore(t, path, options)
			require.NoError(t, putBlock(t, s, "1"))
			ballast := filepath.Join(directory, "ballast")
			failed := false
			file, err := os.Create(ballast)
			require.NoError(t, err)
			for err == nil {
				_, err = file.Write(make([]byte, 4096))
			}
			require.NoError(t, file.Close())
			count := 1
			for i := 2; i < 3000 && !failed; i++ {
				before := ports(t, s)
				if err := putBlock(t, s, strconv.Itoa(i)); err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC)
					require.Equal(t, before, ports(t, s))
					failed = true
				} else {
					count++
				}
			}
			require.True(t, failed, "the file system never got full")
			require.NoError(t, os.Remove(ballast))
			require.NoError(t, putBlock(t, s, "60000"))
			require.Len(t, ports(t, s), count+1)
			require.NoError(t, s.Close())
			require.Len(t, ports(t, openStore(t, path, nil)), count+1)
		})
	}
}
