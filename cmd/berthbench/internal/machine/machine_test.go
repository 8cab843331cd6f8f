package machine

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescribe(t *testing.T) {
	described := Describe(t.Context())
	require.Contains(t, described.System, runtime.GOOS+"/"+runtime.GOARCH)
	require.NotEmpty(t, described.Processor)
	require.Positive(t, described.Cores)
	require.Equal(t, runtime.Version(), described.Go)
	require.NotEmpty(t, described.Commit)
}

func TestCommitOf(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, test := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, ""},
		{[]debug.BuildSetting{setting("vcs.modified", "true")}, ""},
		{[]debug.BuildSetting{setting("vcs.revision", "0123456789abcdef0123")}, "0123456789ab"},
		{[]debug.BuildSetting{setting("vcs.revision", "0123"), setting("vcs.modified", "true")}, "0123+changes"},
	} {
		require.Equal(t, test.want, commitOf(&debug.BuildInfo{Settings: test.settings}))
	}
}
