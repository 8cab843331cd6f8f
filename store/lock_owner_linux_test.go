package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const locksTable = `1: OFDLCK ADVISORY  WRITE -1 fe:00:10307346 6 6
2: FLOCK  ADVISORY  WRITE 17080 fe:00:10307330 0 EOF
2: -> FLOCK  ADVISORY  WRITE 17081 fe:00:10307330 0 EOF
3: FLOCK  ADVISORY  READ 17082 fe:00:77 0 EOF
4: POSIX  ADVISORY  WRITE 17083 fe:00:78 0 EOF
5: FLOCK  ADVISORY  WRITE 0 fe:00:79 0 EOF
6: FLOCK`

func TestFindOwner(t *testing.T) {
	require.Equal(t, 17080, findOwner(locksTable, "fe:00:10307330"))
	for _, nobody := range []string{"fe:00:10307346", "fe:00:77", "fe:00:78", "fe:00:79", "fe:01:10307330", ""} {
		require.Zero(t, findOwner(locksTable, nobody), nobody)
	}
}

// FuzzFindOwner reads any text as the system's table of locks.
func FuzzFindOwner(f *testing.F) {
	f.Add(locksTable, "fe:00:10307330")
	f.Fuzz(func(t *testing.T, table, file string) {
		if pid := findOwner(table, file); pid != 0 {
			require.Positive(t, pid)
			require.Contains(t, table, file)
		}
	})
}
