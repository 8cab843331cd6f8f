// Package machine says on what a run was measured: the line without which figures mean nothing.
package machine

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

const unknown = "unknown"

// Describe describes this computer and this program. What cannot be found out is "unknown".
func Describe(ctx context.Context) result.Machine {
	system := runtime.GOOS + "/" + runtime.GOARCH
	if release := release(); release != "" {
		system += ", " + release
	}
	processor := strings.Join(strings.Fields(processor()), " ")
	if processor == "" {
		processor = unknown
	}
	return result.Machine{
		System:    system,
		Processor: processor,
		Cores:     runtime.GOMAXPROCS(0),
		Go:        runtime.Version(),
		Commit:    commit(ctx),
	}
}

// commit returns what the build has recorded, and else, since "go run" records nothing, what git says
// of the folder that this file was compiled from.
func commit(ctx context.Context) string {
	if info, known := debug.ReadBuildInfo(); known {
		if recorded := commitOf(info); recorded != "" {
			return recorded
		}
	}
	_, file, _, _ := runtime.Caller(0)
	if !filepath.IsAbs(file) { // built with -trimpath
		return unknown
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	git := func(arguments ...string) (string, error) {
		command := exec.CommandContext(ctx, "git", append([]string{"-C", filepath.Dir(file)}, arguments...)...)
		output, err := command.Output()
		return strings.TrimSpace(string(output)), err
	}
	head, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil || head == "" {
		return unknown
	}
	if changes, err := git("status", "--porcelain"); err != nil || changes != "" {
		head += changed
	}
	return head
}

// changed stands behind the commit if the tree was not clean.
const changed = "+changes"

func commitOf(info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	revision := settings["vcs.revision"]
	if len(revision) > 12 {
		revision = revision[:12]
	}
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += changed
	}
	return revision
}
