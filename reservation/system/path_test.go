package system

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

func TestDefaultStorePath(t *testing.T) {
	for _, test := range []struct {
		name        string
		goos        string
		elevated    bool
		environment map[string]string
		want        string // empty: an error that names the variable in missing
		missing     string
	}{
		{name: "root", goos: "linux", elevated: true, want: "/var/lib/berth/berth.db"},
		{name: "root ignores home", goos: "freebsd", elevated: true, environment: map[string]string{"HOME": "/root", "XDG_STATE_HOME": "/s"}, want: "/var/lib/berth/berth.db"},
		{name: "user", goos: "linux", environment: map[string]string{"HOME": "/home/a"}, want: "/home/a/.local/state/berth/berth.db"},
		{name: "state home", goos: "linux", environment: map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/state"}, want: "/state/berth/berth.db"},
		{name: "state home without home", goos: "linux", environment: map[string]string{"XDG_STATE_HOME": "/state"}, want: "/state/berth/berth.db"},
		{name: "relative state home is ignored", goos: "linux", environment: map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "state"}, want: "/home/a/.local/state/berth/berth.db"},
		{name: "relative state home, no home", goos: "linux", environment: map[string]string{"XDG_STATE_HOME": "state"}, missing: "HOME"},
		{name: "no home", goos: "linux", missing: "HOME"},
		{name: "relative home", goos: "linux", environment: map[string]string{"HOME": "a"}, missing: "HOME"},
		{name: "macOS", goos: "darwin", environment: map[string]string{"HOME": "/Users/a", "XDG_STATE_HOME": "/state"}, want: "/Users/a/Library/Application Support/Berth/berth.db"},
		{name: "Windows", goos: "windows", environment: map[string]string{"LocalAppData": `C:\Users\a\AppData\Local`, "ProgramData": `C:\ProgramData`}, want: `C:\Users\a\AppData\Local\Berth\berth.db`},
		{name: "Windows elevated", goos: "windows", elevated: true, environment: map[string]string{"LocalAppData": `C:\Users\a\AppData\Local`, "ProgramData": `C:\ProgramData`}, want: `C:\ProgramData\Berth\berth.db`},
		{name: "Windows without variables", goos: "windows", missing: "LocalAppData"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, err := defaultStorePath(test.goos, test.elevated, func(name string) string { return test.environment[name] })
			if test.want == "" {
				require.ErrorIs(t, err, reservation.ErrInvalid)
				require.ErrorContains(t, err, test.missing)
				require.ErrorContains(t, err, StoreVariable)
				return
			}
			require.NoError(t, err)
			require.Equal(t, filepath.FromSlash(test.want), filepath.FromSlash(path))
		})
	}
}

func TestStorePathPrefersItsVariable(t *testing.T) {
	directory := t.TempDir()
	t.Chdir(directory)
	t.Setenv(StoreVariable, filepath.Join(directory, "a.db"))
	path, err := StorePath()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(directory, "a.db"), path)

	t.Setenv(StoreVariable, "b.db")
	path, err = StorePath()
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(path), path)
	require.Equal(t, "b.db", filepath.Base(path))

	t.Setenv(StoreVariable, "")
	path, err = StorePath()
	if err == nil {
		fallback, err := DefaultStorePath()
		require.NoError(t, err)
		require.Equal(t, fallback, path)
	}
}
