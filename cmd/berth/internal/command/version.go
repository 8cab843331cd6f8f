package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		GroupID: groupMaintain,
		Args:    exactly(0, "no arguments"),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if inv.json {
				return inv.stdout.printJSON(v)
			}
			inv.stdout.printf("berth %s\n", v)
			return nil
		},
	}
}

// versionJSON is what version prints.
type versionJSON struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (v versionJSON) String() string {
	return fmt.Sprintf("%s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch)
}

// readVersion returns what the build has recorded about itself.
func readVersion() versionJSON {
	v := versionJSON{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, known := debug.ReadBuildInfo()
	if !known {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	if v.Version == "(devel)" {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Version = fmt.Sprintf("devel-%.12s", setting.Value)
			}
		}
	}
	return v
}
