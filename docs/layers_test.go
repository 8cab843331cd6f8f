package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Modules from outside that the house builds on. Each is one more thing that users of the library
// download and trust, so docs/decisions/0005-dependencies.md gives a reason for each.
const (
	btree     = "github.com/google/btree"
	bbolt     = "go.etcd.io/bbolt"
	system    = "golang.org/x/sys"
	fsnotify  = "github.com/fsnotify/fsnotify"
	testify   = "github.com/stretchr/testify"
	rapid     = "pgregory.net/rapid"
	porcupine = "github.com/anishathalye/porcupine"
	cobra     = "github.com/spf13/cobra"
	pflag     = "github.com/spf13/pflag"
	term      = "golang.org/x/term"
	tools     = "golang.org/x/tools"
)

// A layer says what the packages of one place may import.
type layer struct {
	packages []string // paths in the module; a trailing /... takes in what is below
	ours     []string // packages of this module that they may import
	modules  []string // modules from outside
	without  []string // parts of the standard library that they may not import; a trailing /... as above
	reason   string
}

// anyModule stands for every module from outside.
const anyModule = "*"

// layers is the drawing of docs/architecture.md as data. The first layer that names a package counts.
var layers = []layer{
	{
		packages: []string{"pool"},
		modules:  []string{btree},
		without:  []string{"os/...", "net/...", "syscall", "log/...", "sync/...", "context", "time", "unsafe"},
		reason:   "pool is arithmetic on ports: no I/O, clock, lock or goroutine, so that it can be tested against a slow twin and run anywhere",
	},
	{
		packages: []string{"pool/poolbench/..."},
		ours:     []string{"pool", "pool/poolbench/..."},
		modules:  []string{btree},
		without:  []string{"os/...", "net/...", "syscall", "log/...", "unsafe"},
		reason:   "the harness measures cores and nothing else: traces come to it as readers; testing is there as it is in fstest and nettest",
	},
	{
		packages: []string{"reservation"},
		ours:     []string{"pool"},
		without:  []string{"net", "net/http/...", "os/exec", "unsafe"},
		reason:   "the engine decides and nothing more: sockets, disks and system calls come through its interfaces, so that it builds for every system and runs in a simulator",
	},
	{
		packages: []string{"store/storetest", "reservation/conformance"},
		ours:     []string{"reservation", "pool"},
		modules:  []string{testify, rapid},
		reason:   "a suite tests whoever implements the interface, so it knows no implementation",
	},
	{
		packages: []string{"store/..."},
		ours:     []string{"reservation", "pool", "store/internal/..."},
		modules:  []string{bbolt, system, fsnotify},
		reason:   "an adapter knows the engine and no other adapter, so that each can be replaced alone",
	},
	{
		packages: []string{"sockets/inuse", "sockets/hold", "sockets/guard"},
		ours:     []string{"reservation", "pool"},
		modules:  []string{system},
		reason:   "an adapter knows the engine and no other adapter, so that each can be replaced alone",
	},
	{
		packages: []string{"reservation/record"},
		ours:     []string{"reservation", "pool", "pool/poolbench/trace"},
		without:  []string{"os/...", "net/...", "testing/..."},
		reason:   "it stands between a program and whatever engine it has, and writes to a writer that it is given",
	},
	{
		packages: []string{"reservation/win32"},
		ours:     []string{"reservation", "pool"},
		reason:   "the vocabulary of Windows is data that builds everywhere",
	},
	{
		packages: []string{"sockets/winsock"},
		ours:     []string{"reservation", "pool", "reservation/win32", "reservation/system", "sockets/hold"},
		reason:   "a Windows door translates between the engine and Windows' words; its functions without a process act for this program on this computer (decision 31), whose runtime reservations are held by real sockets that hand their ports over (decision 48), and it knows no other adapter",
	},
	{
		packages: []string{"reservation/iphlpapi"},
		ours:     []string{"reservation", "pool", "reservation/win32"},
		reason:   "a Windows door translates between the engine and Windows' words; it knows no other adapter",
	},
	{
		packages: []string{"reservation/machine"},
		ours:     []string{"reservation", "pool", "reservation/win32"},
		reason:   "the simulated computer stands on the engine alone, so that it is deterministic",
	},
	{
		packages: []string{"reservation/machine/machinetest"},
		ours:     []string{"reservation", "pool", "reservation/machine"},
		reason:   "it gives tests a simulated computer and nothing else",
	},
	{
		packages: []string{"sockets"},
		ours:     []string{"reservation", "pool", "sockets/hold"},
		reason:   "an adapter knows the engine and no other adapter; real sockets come from package net, and from the held block where the port is held, for nobody else can hand it over",
	},
	{
		packages: []string{"sockets/berthtest"},
		ours:     []string{"reservation", "pool", "sockets", "sockets/hold", "sockets/inuse"},
		reason:   "it gives tests bound sockets from an engine in memory: without a store, so that no test pulls bbolt in",
	},
	{
		packages: []string{"reservation/system"},
		ours:     []string{"reservation/...", "pool", "store", "sockets/..."},
		modules:  []string{system},
		reason:   "this computer: beside the commands the one place that wires adapters together",
	},
	{
		packages: []string{"cmd/..."},
		ours:     []string{"reservation/...", "pool", "pool/poolbench/...", "store", "sockets/...", "cmd/..."},
		modules:  []string{cobra, pflag, system, term, tools},
		reason:   "the command wires, and libraries never import it",
	},
	{
		packages: []string{"docs"},
		reason:   "the documents hold tests and no code",
	},
}

// needUnsafe lists the files that may import unsafe, by their endings, and why.
var needUnsafe = map[string]struct {
	endings []string
	reason  string
}{
	"sockets/inuse":                {[]string{"_linux.go", "_darwin.go", "_windows.go"}, "kernel tables are read into buffers by address"},
	"store":                        {[]string{"_windows.go", "_darwin.go", "_linux.go", "_freebsd.go"}, "locks and file systems are asked for through structs of the kernel"},
	"reservation/system":           {[]string{"_windows.go"}, "iphlpapi.dll and the socket ioctls take pointers"},
	"cmd/berth/internal/supervise": {[]string{"seccomp_linux.go"}, "seccomp fills structs of the kernel, and another process is read by address"},
	"reservation/win32":            {[]string{".go"}, "structs keep the layout of the C headers"},
	"reservation/iphlpapi":         {[]string{".go"}, "the functions take the pointers of the C prototypes"},
	"sockets/winsock":              {[]string{".go"}, "the ioctls take the buffers of the C prototypes"},
}

func TestImportsFollowTheLayers(t *testing.T) {
	for file, imports := range importsOf(t) {
		folder := path.Dir(file)
		layer, ok := layerOf(folder)
		if !ok {
			t.Errorf("%s: package %s has no layer yet: give it one in layers and in docs/architecture.md", file, folder)
			continue
		}
		for _, imported := range imports {
			if strings.HasSuffix(file, "_test.go") {
				if !testMayImport(imported) && !layer.allows(imported) {
					t.Errorf("%s imports %s: tests are written with the standard library, testify and rapid, so that reading one is reading all", file, imported)
				}
				continue
			}
			if !layer.allows(imported) {
				t.Errorf("%s imports %s: %s", file, imported, layer.reason)
			}
		}
	}
}

func TestUnsafeStandsOnlyWhereTheSystemWantsPointers(t *testing.T) {
	for file, imports := range importsOf(t) {
		if !slices.Contains(imports, "unsafe") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		allowed, ok := needUnsafe[path.Dir(file)]
		hasEnding := func(ending string) bool { return strings.HasSuffix(file, ending) }
		if !ok || !slices.ContainsFunc(allowed.endings, hasEnding) {
			t.Errorf("%s imports unsafe: only files that hand memory to the operating system may; list it in needUnsafe with its reason if it does", file)
		}
	}
}

func TestNoCommandIsImported(t *testing.T) {
	for file, imports := range importsOf(t) {
		for _, imported := range imports {
			if strings.HasPrefix(imported, module+"/cmd/") && !strings.HasPrefix(file, "cmd/") {
				t.Errorf("%s imports %s: what a library needs does not live in a command", file, imported)
			}
		}
	}
}

func layerOf(folder string) (layer, bool) {
	for _, l := range slices.Concat(benchLayers, layers) {
		if slices.ContainsFunc(l.packages, func(pattern string) bool { return within(folder, pattern) }) {
			return l, true
		}
	}
	return layer{}, false
}

// allows reports whether the packages of the layer may import imported.
func (l layer) allows(imported string) bool {
	if inside, ok := strings.CutPrefix(imported, module+"/"); ok {
		return slices.ContainsFunc(l.ours, func(pattern string) bool { return within(inside, pattern) })
	}
	if isStandard(imported) {
		return !slices.ContainsFunc(l.without, func(pattern string) bool { return within(imported, pattern) })
	}
	return slices.ContainsFunc(l.modules, func(name string) bool { return name == anyModule || within(imported, name+"/...") })
}

func testMayImport(imported string) bool {
	if isStandard(imported) || strings.HasPrefix(imported, module+"/") {
		return true
	}
	return slices.ContainsFunc([]string{testify, rapid, porcupine, btree, bbolt, system, cobra}, func(name string) bool {
		return within(imported, name+"/...")
	})
}

// isStandard reports whether an import path is one of the standard library's: their first element
// has no dot.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a path is pattern, or below it where pattern ends in "/...".
func within(name, pattern string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return name == base || tree && strings.HasPrefix(name, base+"/")
}

// importsOf returns the import paths of every Go file of the checkout, whatever system the file is
// for: build constraints do not hide an import from these tests.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for file, text := range files(t, ".go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		require.NoError(t, err)
		imports[file] = paths(t, parsed)
	}
	return imports
}

func paths(t *testing.T, file *ast.File) []string {
	t.Helper()
	var found []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		found = append(found, imported)
	}
	return found
}
