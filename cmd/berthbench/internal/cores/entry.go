// Package cores puts what people use to know which ports are taken behind the interface of
// pool/poolbench: each library as its documentation says it is best used.
package cores

import (
	"runtime/debug"
	"slices"
	"strings"

	"github.com/berthkit/berth/pool/poolbench"
)

// An Entry is a core that the harness knows.
type Entry struct {
	Name        string   // "tidwall/btree"
	Description string   // in one line
	Module      string   // whose version list and the report show; empty for what stands in this repository
	Properties  []string // what a fair reader must know beside what Facts finds out
	Groups      []string // of the workloads that it is measured in; nil means all that it can do
	New         func() poolbench.Core
}

// CanDo reports whether the core is to be measured in a workload.
func (e Entry) CanDo(work poolbench.Workload) bool {
	return (e.Groups == nil || slices.Contains(e.Groups, work.Group)) && work.Fits(e.New())
}

// Version returns the version of the entry's module that this program was built with, or "".
func (e Entry) Version() string {
	info, known := debug.ReadBuildInfo()
	if !known || e.Module == "" {
		return ""
	}
	for _, dependency := range info.Deps {
		if dependency.Path == e.Module {
			return dependency.Version
		}
	}
	return ""
}

// Facts returns what a fair reader must know of the core: its version, what it can answer, and the
// entry's own properties.
func (e Entry) Facts() []string {
	var facts []string
	if version := e.Version(); version != "" {
		facts = append(facts, e.Module+" "+version)
	}
	core := e.New()
	if _, names := core.(poolbench.Namer); names {
		facts = append(facts, "knows who")
	} else {
		facts = append(facts, "answers yes or no only")
	}
	return append(facts, e.Properties...)
}

// Names returns the names of entries, separated by commas.
func Names(entries []Entry) string {
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name
	}
	return strings.Join(names, ", ")
}
